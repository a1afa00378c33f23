package example_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/infra/gen/example"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

type inner struct {
	Kind string `json:"kind" enum:"a,b"`
	Size int    `json:"size,omitempty" minimum:"1"`
}

type embedded struct {
	ID uuid.UUID `json:"id" format:"uuid"`
}

type request struct {
	embedded
	Other   *uuid.UUID `json:"other,omitempty" format:"uuid" example:"00000000-0000-0000-0000-000000000001"`
	Name    string     `json:"name" example:"王小明"`
	Day     string     `json:"day" format:"date"`
	Amount  money.Fen  `json:"amount_fen" minimum:"1"`
	Least   money.Fen  `json:"least_fen" minimum:"1" example:"250"`
	All     bool       `json:"all,omitempty" example:"true"`
	Sealed  []byte     `json:"sealed"`
	Raw     []byte     `json:"raw" example:"AAE="`
	Key     []byte     `json:"key" format:"sm2-public-key"`
	At      time.Time  `json:"at"`
	List    []inner    `json:"list"`
	Left    string     `json:"left,omitempty"`
	Unnamed string
	Hidden  string `json:"-"`
	private string //nolint:unused // it must not be in the example
}

func TestOf(t *testing.T) {
	t.Parallel()
	made, err := example.Of(reflect.TypeFor[request]())
	check.Must(t, err)
	raw := check.JSON(t, made)
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	var got request
	if err := d.Decode(&got); err != nil { //nolint:musttag // a field without a tag is one of the cases
		t.Fatalf("%v: %s", err, raw)
	}
	other := uuid.MustParse("00000000-0000-0000-0000-000000000001")
	want := request{
		embedded: got.embedded, Other: &other, Name: "王小明", Day: "2026-11-23", Amount: 1, Least: 250, All: true,
		Sealed: []byte("example"), Raw: []byte{0, 1}, Key: got.Key, At: got.At, List: []inner{{Kind: "a"}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(request{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.ID == uuid.Nil || got.At.IsZero() {
		t.Errorf("id %v, at %v", got.ID, got.At)
	}
	if _, err := sm.ParsePublicKey(got.Key); err != nil {
		t.Errorf("the key: %v", err)
	}
	for _, name := range []string{"left", "private", "Hidden", "-"} {
		if _, ok := made[name]; ok {
			t.Errorf("%s is in the example", name)
		}
	}
	again, err := example.Of(reflect.TypeFor[request]())
	if diff := cmp.Diff(made, again); diff != "" || err != nil {
		t.Errorf("made again, it differs: %v\n%s", err, diff)
	}
}

func TestOfRefuses(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]reflect.Type{
		"no struct": reflect.TypeFor[int](),
		"a tag that does not fit": reflect.TypeFor[struct {
			Amount int `json:"amount_fen" example:"many"`
		}](),
		"a type without example": reflect.TypeFor[struct {
			Ratio float64 `json:"ratio"`
		}](),
		"inside a list": reflect.TypeFor[struct {
			List []struct{ F func() } `json:"list"`
		}](),
	} {
		if got, err := example.Of(of); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

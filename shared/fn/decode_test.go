package fn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// form is a request with each sort of value that functions take.
type form struct {
	Name   string    `json:"name"`
	Amount money.Fen `json:"amount_fen"`
	Own    bool      `json:"own"`
	Sealed []byte    `json:"sealed"`
	Items  []item    `json:"items"`
}

type item struct {
	Count int32 `json:"count"`
}

// Validate refuses one certain name.
func (f form) Validate() error {
	if f.Name == "nobody" {
		return fn.InvalidField("name", "is nobody")
	}
	return nil
}

func TestStrictDecode(t *testing.T) {
	t.Parallel()
	f := declare("test-decode", plain, func(_ context.Context, _ given, request form) (form, error) { return request, nil })
	b := bank.On(t, pgtest.Broken(t))
	for _, tt := range []struct{ name, body, field string }{
		{"nothing", ``, ""},
		{"white space", " \n", ""},
		{"no JSON", `name=x`, ""},
		{"half a value", `{"name":"x"`, ""},
		{"an unknown field", `{"name":"x","admin":true}`, ""},
		{"an unknown field within", `{"items":[{"count":1,"price":0}]}`, ""},
		{"a second value", `{"name":"x"}{"name":"y"}`, ""},
		{"a word behind", `{"name":"x"} true`, ""},
		{"a bracket behind", `{"name":"x"}]`, ""},
		{"bytes of GBK", "{\"name\":\"\xb7\xbf\xd7\xe2\"}", ""},
		{"half a surrogate pair", `{"name":"\ud800"}`, ""},
		{"a NUL", `{"name":"a\u0000b"}`, ""},
		{"bytes of GBK within", "{\"items\":[{\"\xb7\":1}]}", ""},
		{"a list", `[]`, ""},
		{"a string", `"x"`, ""},
		{"a number for a string", `{"name":1}`, "name"},
		{"an object for a string", `{"name":{}}`, "name"},
		{"a string for an amount", `{"amount_fen":"1"}`, "amount_fen"},
		{"half a fen", `{"amount_fen":0.5}`, "amount_fen"},
		{"an exponent", `{"amount_fen":1e3}`, "amount_fen"},
		{"more than an int64", `{"amount_fen":9223372036854775808}`, "amount_fen"},
		{"full-width digits", `{"amount_fen":１}`, ""},
		{"a leading zero", `{"amount_fen":01}`, ""},
		{"a plus", `{"amount_fen":+1}`, ""},
		{"not a number", `{"amount_fen":NaN}`, ""},
		{"a word for a yes", `{"own":"true"}`, "own"},
		{"more than an int32, within", `{"items":[{"count":2147483648}]}`, "items.count"},
		{"not base64", `{"sealed":"*"}`, ""},
		{"against its form", `{"name":"nobody"}`, "name"},
		{"a comment", `{"name":"x"/**/}`, ""},
		{"deep lists", strings.Repeat("[", 60_000), ""},
		{"deep objects", strings.Repeat(`{"items":`, 7_000), ""},
		{"deep and closed", `{"items":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, ""},
	} {
		reply := handle(t, b, f, tt.body, nil)
		var p fn.Problem
		check.Must(t, json.Unmarshal(reply.Body, &p))
		if reply.StatusCode != http.StatusBadRequest || p.Code != "INPUT_INVALID" || p.Field != tt.field {
			t.Errorf("%s: %d %q, field %q, want 400 INPUT_INVALID, field %q", tt.name, reply.StatusCode, p.Code, p.Field, tt.field)
		}
	}
}

func TestDecodeKeepsEveryValue(t *testing.T) {
	t.Parallel()
	got, err := fn.Decode[form]([]byte(
		` {"name":"王\u5c0f明","amount_fen":9223372036854775807,"own":true,"sealed":"AQI=","items":[{"count":-1},{}]}` + "\n"))
	want := form{Name: "王小明", Amount: 9223372036854775807, Own: true, Sealed: []byte{1, 2}, Items: []item{{-1}, {0}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// FuzzDecode: decode refuses any bytes with INPUT_INVALID, or returns what another decoder
// reads in the same bytes.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"name":"x","amount_fen":1,"own":false,"sealed":"AA==","items":[{"count":1}]}`,
		`{"name":"x","name":"y"}`, `{"NAME":"x"}`, `{"name":"x"}x`, `{"admin":1}`, `{"items":[null]}`,
		`{"amount_fen":1e2}`, `{"name":"` + "\xff" + `"}`, `{"name":"\ud800"}`, strings.Repeat("[", 11_000),
		strings.Repeat(`{"items":[`, 6_000), `{"name":"nobody"}`,
	} {
		f.Add([]byte(seed))
	}
	known := []string{"name", "amount_fen", "own", "sealed", "items"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := fn.Decode[form](raw)
		if err != nil {
			if !errors.Is(err, bankerr.ErrInput) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("took what is not one JSON value")
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatalf("took what is not an object: %v", err)
		}
		for name := range fields {
			if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, name) }) {
				t.Fatalf("took the unknown field %q", name)
			}
		}
		again := check.JSON(t, got)
		second, err := fn.Decode[form](again)
		if err != nil {
			t.Fatalf("refuses what it wrote itself, %s: %v", again, err)
		}
		third, err := json.Marshal(second)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%s became %s (%v)", again, third, err)
		}
	})
}

func TestDecodeTakesNamesAsTheyAreAndOnce(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"name":"x","name":"y"}`, `{"NAME":"x"}`, `{"name":"x","NAME":"y"}`, `null`} {
		if got, err := fn.Decode[form]([]byte(body)); err == nil {
			t.Errorf("%s is taken as %+v", body, got)
		}
	}
}

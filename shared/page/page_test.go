package page_test

import (
	"encoding/base64"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/page"
)

var at = time.UnixMicro(1795399200000001)

func TestParseReadsWhatStringWrote(t *testing.T) {
	t.Parallel()
	p := page.Place{At: at, ID: uuid.New()}
	if got, err := page.Parse(p.String()); err != nil || !got.At.Equal(p.At) || got.ID != p.ID {
		t.Errorf("%v came back as %v, %v", p, got, err)
	}
	if got, err := page.Parse(""); err != nil || got != (page.Place{}) {
		t.Errorf("nothing is %v, %v", got, err)
	}
	if at, id := (page.Place{}).Before(); at.Year() != 9999 || id != uuid.Max {
		t.Errorf("the newest is before %v %v", at, id)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := page.Place{At: at, ID: uuid.New()}.String()
	farOff := make([]byte, 24)
	farOff[0] = 0x7f
	for name, text := range map[string]string{
		"too short": good[:len(good)-2], "too long": good + "AAAA", "not base64": "!" + good[1:], "padded": good + "=",
		"a time that PostgreSQL has not": base64.RawURLEncoding.EncodeToString(farOff), "SQL": "' OR 1=1 --",
	} {
		if _, err := page.Parse(text); !errors.Is(err, page.ErrPlace) {
			t.Errorf("%s: %v, want ErrPlace", name, err)
		}
	}
}

func TestParseTakesTheLatestInstant(t *testing.T) {
	t.Parallel()
	latest := page.Place{At: time.UnixMicro(1 << 55), ID: uuid.New()}
	if got, err := page.Parse(latest.String()); err != nil || !got.At.Equal(latest.At) {
		t.Errorf("%v came back as %v, %v", latest, got, err)
	}
	latest.At = latest.At.Add(time.Microsecond)
	if _, err := page.Parse(latest.String()); !errors.Is(err, page.ErrPlace) {
		t.Errorf("a microsecond later: %v, want ErrPlace", err)
	}
}

// Every text is refused, or is the same place when written and read again.
func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add(page.Place{At: at, ID: uuid.Max}.String())
	f.Fuzz(func(t *testing.T, text string) {
		p, err := page.Parse(text)
		if err != nil || text == "" {
			return
		}
		if p.String() != text {
			t.Fatalf("%q is read as %v, and written as %q", text, p, p.String())
		}
	})
}

// A number comes back as it was written. Any other text is refused.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, n := range []page.Number{1, 7, math.MaxInt64} {
		if got, err := page.ParseNumber(n.String()); err != nil || got != n || got.Before() != int64(n) {
			t.Errorf("%d came back as %d, %v", n, got, err)
		}
	}
	if got, err := page.ParseNumber(""); err != nil || got != 0 || got.Before() != math.MaxInt64 {
		t.Errorf("nothing is %d, %v", got, err)
	}
	good := page.Number(7).String()
	for name, text := range map[string]string{
		"nothing": page.Number(0).String(), "negative": page.Number(-1).String(), "too short": good[:10],
		"too long": good + "A", "padded": good + "=", "a line break": good[:4] + "\n" + good[4:],
		"a place": page.Place{At: at, ID: uuid.New()}.String(), "a number": "7",
	} {
		if _, err := page.ParseNumber(text); !errors.Is(err, page.ErrPlace) {
			t.Errorf("%s: %v, want ErrPlace", name, err)
		}
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	if page.Size(0) != 20 || page.Size(7) != 7 {
		t.Errorf("sizes %d and %d", page.Size(0), page.Size(7))
	}
}

func TestCutNamesThePlaceOnlyWhereMoreFollows(t *testing.T) {
	t.Parallel()
	place := func(n int) page.Place { return page.Place{At: at.Add(time.Duration(n) * time.Second)} }
	for _, tt := range []struct {
		found, want []int
		next        string
	}{
		{nil, nil, ""},
		{[]int{9, 8}, []int{9, 8}, ""},
		{[]int{9, 8, 7}, []int{9, 8, 7}, ""},
		{[]int{9, 8, 7, 6}, []int{9, 8, 7}, place(7).String()},
	} {
		if got, next := page.Cut(tt.found, 3, place); !slices.Equal(got, tt.want) || next != tt.next {
			t.Errorf("%v is cut to %v and %q", tt.found, got, next)
		}
	}
}

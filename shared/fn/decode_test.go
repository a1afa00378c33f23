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
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// form is a request with each sort of value that functions take.
type form struct {
	Name   string    `json:"name,omitempty"`
	Amount money.Fen `json:"amount_fen,omitempty"`
	Own    bool      `json:"own,omitempty"`
	Sealed []byte    `json:"sealed,omitempty"`
	Items  []item    `json:"items,omitempty"`
}

type item struct {
	Count int32 `json:"count,omitempty"`
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
		{"an unknown field", `{"name":"x","admin":true}`, "admin"},
		{"a name in other letters", `{"Name":"x"}`, "Name"},
		{"an unknown field that is no name", `{"name":"x","13800010001":true}`, ""},
		{"an unknown field of any length", `{"` + strings.Repeat("a", 61) + `":true}`, ""},
		{"an unknown field within", `{"items":[{"count":1,"price":0}]}`, "items[0].price"},
		{"a second value", `{"name":"x"}{"name":"y"}`, ""},
		{"a word behind", `{"name":"x"} true`, ""},
		{"a bracket behind", `{"name":"x"}]`, ""},
		{"bytes of GBK", "{\"name\":\"\xb7\xbf\xd7\xe2\"}", "name"},
		{"half a surrogate pair", `{"name":"\ud800"}`, "name"},
		{"a NUL", `{"name":"a\u0000b"}`, "name"},
		{"bytes of GBK within", "{\"items\":[{\"\xb7\":1}]}", "items[0]"},
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
		{"more than an int32, within", `{"items":[{"count":2147483648}]}`, "items[0].count"},
		{"not base64", `{"sealed":"*"}`, "sealed"},
		{"null", `{"name":null}`, "name"},
		{"null for an item", `{"items":[{"count":1},null]}`, "items[1]"},
		{"a name twice", `{"name":"x","name":"x"}`, "name"},
		{"against its form", `{"name":"nobody"}`, "name"},
		{"a comment", `{"name":"x"/**/}`, ""},
		{"deep lists", strings.Repeat("[", 60_000), ""},
		{"deep objects", strings.Repeat(`{"items":`, 7_000), ""},
		{"deep and closed", `{"items":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}`, "items[0]"},
		{"deeper than any decoder goes", `{"items":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, ""},
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

// bounded is a request with every tag that the decoder enforces.
type bounded struct {
	Text   string    `json:"text" minLength:"2" maxLength:"3"`
	Number int       `json:"number,omitempty" minimum:"-1" maximum:"7"`
	List   []string  `json:"list,omitempty" minItems:"1" maxItems:"2"`
	Choice string    `json:"choice,omitempty" enum:"a,b"`
	ID     uuid.UUID `json:"id,omitempty" format:"uuid"`
	Day    string    `json:"day,omitempty" format:"date"`
	Sealed []byte    `json:"sealed,omitempty" minLength:"4" maxLength:"8"`
	Code   string    `json:"code,omitempty" pattern:"^[0-9]{2}$"`
	embedded
}

type embedded struct {
	Inner *item `json:"inner,omitempty"`
}

func TestBoundsAreEnforced(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{}`: "text", `{"text":"a"}`: "text", `{"text":"王小明"}`: "-", `{"text":"王小明明"}`: "text", `{"text":null}`: "text",
		`{"text":"ab","number":-2}`: "number", `{"text":"ab","number":-1}`: "-", `{"text":"ab","number":0}`: "-",
		`{"text":"ab","number":7}`: "-", `{"text":"ab","number":8}`: "number", `{"text":"ab","number":1.0}`: "number",
		`{"text":"ab","list":[]}`: "list", `{"text":"ab","list":["x","y"]}`: "-", `{"text":"ab","list":["x","y","z"]}`: "list",
		`{"text":"ab","list":[1]}`: "list[0]", `{"text":"ab","list":["x",null]}`: "list[1]",
		`{"text":"ab","choice":"a"}`: "-", `{"text":"ab","choice":"c"}`: "choice", `{"text":"ab","choice":""}`: "choice",
		`{"text":"ab","id":"0190a0b0-0000-7000-8000-00000000000a"}`:      "-",
		`{"text":"ab","id":"0190A0B0-0000-7000-8000-00000000000A"}`:      "-",
		`{"text":"ab","id":"{0190a0b0-0000-7000-8000-00000000000a}"}`:    "id",
		`{"text":"ab","id":"0190a0b00000700080000000000000aa"}`:          "id",
		`{"text":"ab","id":"urn:uuid:0190a0b0-0000-7000-8000-0000000a"}`: "id",
		`{"text":"ab","id":""}`: "id", `{"text":"ab","id":false}`: "id",
		`{"text":"ab","day":"2026-02-28"}`: "-", `{"text":"ab","day":"2026-02-29"}`: "day", `{"text":"ab","day":""}`: "day",
		`{"text":"ab","sealed":"AAA="}`: "-", `{"text":"ab","sealed":"AAAA"}`: "-", `{"text":"ab","sealed":""}`: "sealed",
		`{"text":"ab","sealed":"AAAAAAAAAAAA"}`: "sealed", `{"text":"ab","sealed":"AAA*"}`: "sealed",
		`{"text":"ab","code":"07"}`: "-", `{"text":"ab","code":"０７"}`: "code", `{"text":"ab","code":"a7"}`: "code",
		`{"text":"ab","code":""}`: "code", `{"text":"ab","code":"077"}`: "code", `{"text":"ab","code":"07\n"}`: "code",
		`{"text":"ab","inner":{"count":1}}`: "-", `{"text":"ab","inner":{"count":"1"}}`: "inner.count",
		`{"text":"ab","inner":null}`: "inner",
	} {
		_, err := fn.Decode[bounded]([]byte(body))
		got := "-"
		var named *bankerr.FieldError
		if errors.As(err, &named) {
			got = named.Field
		}
		if got != field || (err == nil) != (field == "-") {
			t.Errorf("%s: %v, want field %q", body, err, field)
		}
	}
}

// A process does not start with a request whose documented bounds the decoder would not
// enforce.
func TestRequestsThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"a pattern without anchors": fn.CheckSchema[struct {
			A string `json:"a" pattern:"x"`
		}](),
		"a pattern that is none": fn.CheckSchema[struct {
			A string `json:"a" pattern:"^(x$"`
		}](),
		"a pattern of no text": fn.CheckSchema[struct {
			A int `json:"a" pattern:"^x$"`
		}](),
		"a step": fn.CheckSchema[struct {
			A int `json:"a" multipleOf:"2"`
		}](),
		"a bound of no text": fn.CheckSchema[struct {
			A int `json:"a" minLength:"1"`
		}](),
		"a bound of no number": fn.CheckSchema[struct {
			A string `json:"a" minimum:"1"`
		}](),
		"a bound that is none": fn.CheckSchema[struct {
			A int `json:"a" minimum:"x"`
		}](),
		"an unknown format": fn.CheckSchema[struct {
			A string `json:"a" format:"phone"`
		}](),
		"a format of a number": fn.CheckSchema[struct {
			A int `json:"a" format:"date"`
		}](),
		"an id without format": fn.CheckSchema[struct {
			A uuid.UUID `json:"a"`
		}](),
		"a field without name": fn.CheckSchema[struct{ A string }](),
		"a map": fn.CheckSchema[struct {
			A map[string]int `json:"a"`
		}](),
		"a fraction": fn.CheckSchema[struct {
			A float64 `json:"a"`
		}](),
		"any value": fn.CheckSchema[struct {
			A []struct {
				B any `json:"b"`
			} `json:"a"`
		}](),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := fn.CheckSchema[bounded](); err != nil {
		t.Error(err)
	}
}

// A text that can't be a code is no wrong guess.
func TestAProofsCodeIsSixDigits(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{"123456": "", "abcdef": "proofs[0].code", "１２３４５６": "proofs[0].code"} {
		_, err := fn.Decode[stepup.Confirmation]([]byte(
			`{"intent_id":"0190a0b0-0000-7000-8000-00000000000a","proofs":[{"factor":"sms_otp","code":"` + code + `"}]}`))
		var named *bankerr.FieldError
		if got := errors.As(err, &named); got != (want != "") || got && named.Field != want {
			t.Errorf("%s: %v, want field %q", code, err, want)
		}
	}
}

// FuzzProofs: a confirmation of any bytes is refused with INPUT_INVALID, or holds proofs
// within their bounds, each with the value of its factor.
func FuzzProofs(f *testing.F) {
	for _, seed := range []string{
		`{"intent_id":"0190a0b0-0000-7000-8000-00000000000a","proofs":[]}`,
		`{"intent_id":"0190a0b0-0000-7000-8000-00000000000a","proofs":[{"factor":"sms_otp","code":"123456"}]}`,
		`{"intent_id":"0190a0b0-0000-7000-8000-00000000000a","proofs":[{"factor":"trade_password","password":"AAAA"},null]}`,
		`{"intent_id":false,"proofs":[{"factor":"device_key","signature":"*"}]}`, `{"proofs":[[]]}`, `{"proofs":{}}`,
		`{"intent_id":"0190a0b0-0000-7000-8000-00000000000a","proofs":[` + strings.Repeat(`{"factor":"face"},`, 8) + `{"factor":""}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := fn.Decode[stepup.Confirmation](raw)
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			if !errors.Is(err, bankerr.ErrInput) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if len(c.Proofs) > 8 {
			t.Fatalf("took %d proofs", len(c.Proofs))
		}
		for _, p := range c.Proofs {
			empty := map[stepup.Factor]bool{
				stepup.SMSOTP: len(p.Code) == 0, stepup.TradePassword: len(p.Password) == 0, stepup.DeviceKey: len(p.Signature) == 0,
				stepup.LoginPassword: len(p.Password) == 0, stepup.Face: p.CheckID == nil, stepup.UnlockKey: len(p.Signature) == 0,
				stepup.SoftUKey: len(p.SignedData) == 0, stepup.SoftUKeyCounter: len(p.SignedData) == 0,
				stepup.PhoneShield: len(p.SignedData) == 0,
			}[p.Factor]
			if empty || len(p.SignedData) > 4096 || len(p.Password) > 1024 ||
				len(p.Signature) > 1024 || p.Code != "" && utf8.RuneCountInString(p.Code) != 6 {
				t.Fatalf("took the proof %+v", p)
			}
		}
	})
}

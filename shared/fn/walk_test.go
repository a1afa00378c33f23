package fn_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/check"
)

// FuzzEnvelope: an envelope of any bytes is refused with INPUT_INVALID, or gives the key
// and the request that another decoder reads in it.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"idempotency_key":"k","request":{"a":[1,{"b":"}\"]"}],"c":null}}`, ` { "request" : -1.5e3 , "idempotency_key" : "\u4e00\\" } `,
		`{"request":"\ud800","request":1}`, `{"request":null}`, `{"request":[]} x`, `{}`, `[]`, "", "{", `{"request":true,"x":1}`,
		"{\"request\":{},\"idempotency_key\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		key, request, err := fn.OpenEnvelope(raw)
		if err != nil {
			if !errors.Is(err, bankerr.ErrInput) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		var want struct {
			Key     string          `json:"idempotency_key"`
			Request json.RawMessage `json:"request"`
		}
		check.Must(t, json.Unmarshal(raw, &want))
		if key != want.Key || string(request) != string(want.Request) {
			t.Fatalf("read %q, %s, want %q, %s", key, request, want.Key, want.Request)
		}
	})
}

// FuzzFingerprint: the fingerprint is the text that json.Marshal makes of the members that
// remain. A change of that text would refuse requests that are repeated after an upgrade.
func FuzzFingerprint(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x","own":true}`,
		` {"sealed":"AA==","name" : "<&>\u2028\ud834\udd1e" , "items":[ {"count": 1} , {} ],"amount_fen":-0}`,
		`{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := fn.Decode[form](raw); err != nil {
			return
		}
		var fields map[string]json.RawMessage
		check.Must(t, json.Unmarshal(raw, &fields))
		delete(fields, "sealed")
		want := check.JSON(t, fields)
		got, err := fn.Fingerprint(raw, "sealed")
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s (%v), want %s", got, err, want)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	raw := []byte(`{"idempotency_key":"0190a0b0-0000-7000-8000-00000000000a","request":{"name":"王小明","amount_fen":1000,` +
		`"own":true,"sealed":"AQIDBAUGBwgJCgsMDQ4PEA==","items":[{"count":1},{"count":2}]}}`)
	b.ReportAllocs()
	decode := fn.Decoder[form]()
	for b.Loop() {
		_, request, err := fn.OpenEnvelope(raw)
		if err == nil {
			_, err = decode(request)
		}
		if err == nil {
			_, err = fn.Fingerprint(request, "sealed")
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

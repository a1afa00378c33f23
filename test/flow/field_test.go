package flow_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// element is a field of a request, as the API reference publishes it.
type element struct {
	path     string // as a refusal names it, e.g. proofs[0].code
	schema   *openapi3.Schema
	required bool
	change   func(edit func(holder fields, name string)) fields // a copy of the request, edited
}

// elements are all fields of a function's good request, those of a list's items too.
func elements(t *testing.T, published *openapi3.Schema, good fields) []element {
	t.Helper()
	var list []element
	for _, name := range slices.Sorted(maps.Keys(published.Properties)) {
		field := published.Properties[name].Value
		list = append(list, element{name, field, slices.Contains(published.Required, name), func(edit func(fields, string)) fields {
			request := maps.Clone(good)
			edit(request, name)
			return request
		}})
		items, _ := good[name].([]fields)
		for i, item := range items {
			for _, inner := range elements(t, field.Items.Value, item) {
				whole := inner.change
				inner.path = fmt.Sprintf("%s[%d].%s", name, i, inner.path)
				inner.change = func(edit func(fields, string)) fields {
					request, changed := maps.Clone(good), slices.Clone(items)
					changed[i] = whole(edit)
					request[name] = changed
					return request
				}
				list = append(list, inner)
			}
		}
	}
	return list
}

// everyRow is a digest of all rows, also of counts of attempts, but for events of access.
func (p fixture) everyRow(t *testing.T) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for _, table := range p.Tables(t) {
		digests[table] = check.Value[string](t, p.Host.DB.Pool(), `
SELECT count(*) || ' ' || coalesce(md5(string_agg(row::text, ',' ORDER BY row::text)), '')
  FROM (SELECT to_jsonb(t) AS row FROM `+table+` t) AS rows
 WHERE row ->> 'type' IS DISTINCT FROM 'com.tidebank.access.recorded.v1'`)
	}
	return digests
}

// Every field of every function is missing, null, of another type, and outside each bound
// that the API reference publishes. Each call is refused with the field's name as on the
// wire, before an attempt is counted or a row changes.
func TestEveryFieldKeepsItsPublishedBounds(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-001.2")
	p := newFixture(t)
	good := p.good(t)
	p.calm(t)
	before := p.everyRow(t)
	tried := 0
	for _, f := range served(t) {
		name := f.Spec.Name
		send := func(e element, what string, request fields) {
			t.Helper()
			tried++
			got := call(t, p.wang.phone, name, request)
			if got.Code != "INPUT_INVALID" || got.Problem.Field != e.path {
				t.Errorf("%s with %s for %s: %d %q of %q", name, what, e.path, got.Status, got.Code, got.Problem.Field)
			}
		}
		for _, e := range elements(t, schema(t, name), good[name]) {
			if e.schema.Type.Includes("null") || e.schema.Nullable {
				t.Errorf("%s may be null in %s, says the API reference", e.path, name)
			}
			if e.required {
				send(e, "nothing", e.change(func(holder fields, name string) { delete(holder, name) }))
			}
			for what, value := range spoiled(e.schema) {
				send(e, what, e.change(func(holder fields, name string) { holder[name] = value }))
			}
		}
	}
	if tried < 250 {
		t.Fatalf("only %d requests were tried", tried)
	}
	same(t, "requests that don't fit their schema", before, p.everyRow(t))
}

// A proof without its code, password or signature is no wrong guess.
func TestAProofThatLacksItsValueIsNotCounted(t *testing.T) {
	t.Parallel()
	p := newFixture(t)
	good := p.good(t)["transfer-confirm"]
	p.calm(t)
	before := p.everyRow(t)
	for factor, field := range map[string]string{
		"sms_otp": "code", "trade_password": "password", "device_key": "signature", "face": "check_id",
		"soft_ukey": "signed_data", "soft_ukey_counter": "signed_data",
	} {
		proofs := []fields{{"factor": factor}}
		got := call(t, p.wang.phone, "transfer-confirm", with(good, "proofs", proofs))
		if got.Code != "INPUT_INVALID" || got.Problem.Field != "proofs[0]."+field {
			t.Errorf("%s: %d %q of %q", factor, got.Status, got.Code, got.Problem.Field)
		}
	}
	many := slices.Repeat([]fields{password(t, p.wang.phone, "000000")}, 270)
	got := call(t, p.wang.phone, "transfer-confirm", with(good, "proofs", many))
	if got.Code != "INPUT_INVALID" || got.Problem.Field != "proofs" {
		t.Errorf("270 trade passwords: %d %q of %q", got.Status, got.Code, got.Problem.Field)
	}
	call(t, p.wang.phone, "transfer-confirm", with(good, "proofs", many[:2])).Want(t, "PROOF_REJECTED")
	same(t, "proofs without value", before, p.everyRow(t))
}

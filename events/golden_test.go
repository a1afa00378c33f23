package events_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/test/check"
)

// golden reads the example of a type, as JSON and byte for byte.
func golden(t *testing.T, kind string) (fields map[string]any, raw []byte) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", kind+".json"))
	check.Must(t, err)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	check.Must(t, err)
	return value.(map[string]any), raw
}

// schema compiles the generated schema of a type, formats asserted.
func schema(t *testing.T, kind string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(filepath.Join("schemas", kind+".json"))
	check.Must(t, err)
	return s
}

func types() []string {
	var names []string
	for _, kind := range events.Catalogue() {
		names = append(names, kind.Type)
	}
	slices.Sort(names)
	return names
}

// with is the golden with one field changed.
func with(fields map[string]any, name string, value any) map[string]any {
	changed := maps.Clone(fields)
	changed[name] = value
	return changed
}

func without(fields map[string]any, name string) map[string]any {
	changed := maps.Clone(fields)
	delete(changed, name)
	return changed
}

// Each type that is declared is in the catalogue, and has one schema and one
// golden; nothing is left over.
func TestEveryTypeHasSchemaAndGolden(t *testing.T) {
	t.Parallel()
	source, err := parser.ParseFile(token.NewFileSet(), "types.go", nil, 0)
	check.Must(t, err)
	var declared []string
	ast.Inspect(source, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Type") {
			name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			check.Must(t, err)
			declared = append(declared, name)
		}
		return true
	})
	slices.Sort(declared)
	if diff := cmp.Diff(declared, types()); diff != "" {
		t.Errorf("declared and catalogued types differ (-declared +catalogue):\n%s", diff)
	}
	for _, folder := range []string{"schemas", "testdata"} {
		files, err := os.ReadDir(folder)
		check.Must(t, err)
		var found []string
		for _, f := range files {
			found = append(found, strings.TrimSuffix(f.Name(), ".json"))
		}
		if diff := cmp.Diff(types(), found); diff != "" {
			t.Errorf("%s differs from the catalogue (-catalogue +files):\n%s", folder, diff)
		}
	}
}

// The golden is what the Go type writes: nothing is lost or added on the way
// through it, and its schema takes it.
func TestGoldensRoundTrip(t *testing.T) {
	t.Parallel()
	for _, kind := range events.Catalogue() {
		fields, raw := golden(t, kind.Type)
		if err := schema(t, kind.Type).Validate(fields); err != nil {
			t.Errorf("%s: %v", kind.Type, err)
		}
		data := reflect.New(reflect.TypeOf(kind.Data))
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(data.Interface()); err != nil {
			t.Errorf("%s: %v", kind.Type, err)
		}
		encoded := check.JSON(t, data.Interface())
		var want bytes.Buffer
		check.Must(t, json.Compact(&want, raw))
		if diff := cmp.Diff(want.String(), string(encoded)); diff != "" {
			t.Errorf("%s changes on its way (-golden +encoded):\n%s", kind.Type, diff)
		}
		for i := range data.Elem().NumField() { // an empty field would prove nothing of it
			if field := data.Elem().Type().Field(i); data.Elem().Field(i).IsZero() && field.Type.Kind() != reflect.Bool {
				t.Errorf("%s: the golden has no %s", kind.Type, field.Name)
			}
		}
	}
}

// The schema accepts each event that its Go type can write, and refuses others.
func TestSchemasRefuse(t *testing.T) {
	t.Parallel()
	optional := map[string]bool{events.TypeOTPIssued + " intent_id": true}
	for _, name := range []string{"count", "since", "channel"} { // only of a record that stands for many calls
		optional[events.TypeAccessRecorded+" "+name] = true
	}
	for _, kind := range types() {
		s := schema(t, kind)
		fields, _ := golden(t, kind)
		properties := slices.Sorted(maps.Keys(s.Properties))
		if diff := cmp.Diff(properties, slices.Sorted(maps.Keys(fields))); diff != "" {
			t.Errorf("%s: schema and golden differ (-schema +golden):\n%s", kind, diff)
		}
		if err := s.Validate(with(fields, "added_later", true)); err != nil {
			t.Errorf("%s: a field that is added within the version: %v", kind, err)
		}
		for _, name := range properties {
			if err := s.Validate(without(fields, name)); (err == nil) != optional[kind+" "+name] {
				t.Errorf("%s without %s: %v", kind, name, err)
			}
			wrong := []any{map[string]any{}, 7.5, json.Number("7")}
			if _, text := fields[name].(string); !text {
				wrong = []any{map[string]any{}, 7.5, "7", []any{7.5}}
			}
			for _, value := range wrong {
				if err := s.Validate(with(fields, name, value)); err == nil {
					t.Errorf("%s with %s = %v passes", kind, name, value)
				}
			}
		}
	}
}

func TestSchemasKnowTheRangeOfValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		kind, field string
		good, bad   []any
	}{
		{events.TypeTransferPosted, "amount_fen", []any{1}, []any{0, -1, 0.5}},
		{events.TypeTransferPosted, "transfer_id", nil, []any{"", "transfer-1"}},
		{events.TypeTransferPosted, "payee_customer_id", []any{""}, nil},
		{events.TypeTransferPosted, "posted_at", []any{"2026-11-23T10:00:00+08:00"}, []any{"", "2026-11-23", "2026-11-23 10:00:00"}},
		{events.TypeOTPIssued, "purpose", []any{"register", "login", "reset", "intent"}, []any{"", "Login", "transfer"}},
		{events.TypeOTPIssued, "customer_id", []any{""}, nil},
		{events.TypeAccessRecorded, "category", []any{"read", "auth", "money"}, []any{"", "write"}},
		{events.TypeAccessRecorded, "customer_id", []any{""}, nil},
		{events.TypeFraudScored, "score", []any{0, 100}, []any{-1, 101}},
		{events.TypeFraudScored, "grade", []any{0, 1, 2}, []any{-1, 3}},
		{events.TypeFraudScored, "reasons", []any{[]any{}}, nil},
	} {
		s := schema(t, tt.kind)
		fields, _ := golden(t, tt.kind)
		for _, value := range tt.good {
			if err := s.Validate(with(fields, tt.field, value)); err != nil {
				t.Errorf("%s with %s = %v: %v", tt.kind, tt.field, value, err)
			}
		}
		for _, value := range tt.bad {
			if err := s.Validate(with(fields, tt.field, value)); err == nil {
				t.Errorf("%s with %s = %v passes", tt.kind, tt.field, value)
			}
		}
	}
}

// Events leave the bank's database, so they hold no personal data in clear.
func TestGoldensHoldNoPersonalDataInClear(t *testing.T) {
	t.Parallel()
	for _, kind := range types() {
		fields, raw := golden(t, kind)
		if mask.Leaks(raw) {
			t.Errorf("%s shows a number in clear: %s", kind, raw)
		}
		for name, value := range fields {
			if text, _ := value.(string); strings.HasSuffix(name, "_masked") && !strings.Contains(text, "*") {
				t.Errorf("%s: %s is %q", kind, name, text)
			}
			if slices.Contains([]string{"name", "phone", "id_no", "account_no", "card_no", "memo", "code", "otp"}, name) {
				t.Errorf("%s has a field %s", kind, name)
			}
		}
	}
}

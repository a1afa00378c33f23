package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/output"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/workers"
)

const root = "../../.."

// everyFunction is the registry. Descriptions of much less prove nothing.
func everyFunction(t *testing.T) []fn.Function {
	t.Helper()
	return req.AtLeast(t, 20, functions.All())
}

func described(t *testing.T) output.Files {
	t.Helper()
	files, err := describe(root, everyFunction(t))
	check.Must(t, err)
	return files
}

// An event type that no function hears states its reason in the table.
func TestSubscriptionsNameReasons(t *testing.T) {
	t.Parallel()
	heard := events.Subscriptions{{Consumer: "notify-on-otp", Types: []string{events.TypeOTPIssued}}}
	got := string(subscriptionList(heard, []events.Kind{
		{Type: events.TypeOTPIssued}, {Type: events.TypeFraudScored, Unheard: "for \"other\" systems"},
	}))
	want := `subscriptions:
  - consumer: notify-on-otp
    types:
      - com.tidebank.otp.issued.v1
unheard: # the type and the reason why no function hears it
  com.tidebank.fraud.scored.v1: "for \"other\" systems"
`
	if !strings.HasSuffix(got, want) {
		t.Errorf("got:\n%s\nwant the end:\n%s", got, want)
	}
}

func TestDescriptionsAreUpToDate(t *testing.T) {
	t.Parallel()
	files := described(t)
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
			t.Errorf("%s is stale: run make gen (-generated +committed):\n%s", path, diff)
		}
	}
	found, err := filepath.Glob(filepath.Join(root, "events/schemas/*"))
	check.Must(t, err)
	var want []string
	for _, kind := range req.AtLeast(t, 6, events.Catalogue()) {
		want = append(want, filepath.Join(root, "events/schemas", kind.Type+".json"))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("schemas (-of events +there are):\n%s", diff)
	}
}

// Generating twice gives the same bytes: nothing hangs on the order of a map.
func TestDescriptionsAreTheSameAgain(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(described(t), described(t)); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

// Every type that the description refers to is in it, under one name for one
// type: packages name their own Request and Response.
func TestEveryReferenceIsDescribed(t *testing.T) {
	t.Parallel()
	raw, err := openAPI(everyFunction(t))
	check.Must(t, err)
	var doc struct {
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	check.Must(t, json.Unmarshal(raw, &doc))
	refs := regexp.MustCompile(`"\$ref": "#/components/schemas/([^"]+)"`).FindAllSubmatch(raw, -1)
	for _, ref := range req.AtLeast(t, 100, refs) {
		if doc.Components.Schemas[string(ref[1])] == nil {
			t.Errorf("%s is not described", ref[1])
		}
	}
	names := map[string]reflect.Type{}
	for _, f := range everyFunction(t) {
		for _, kind := range []reflect.Type{f.Request, f.Response} {
			if kind == nil || kind.Name() == "" {
				continue
			}
			name := naming(kind, "")
			if other, ok := names[name]; ok && other != kind {
				t.Errorf("%v and %v are both called %s", kind, other, name)
			}
			names[name] = kind
		}
	}
	if got := naming(reflect.TypeFor[[]*fn.Problem](), ""); got != "fn.Problem" {
		t.Errorf("a list of pointers is called %s, want its element's fn.Problem", got)
	}
}

func TestIndexAndErrorsNameAll(t *testing.T) {
	t.Parallel()
	all := everyFunction(t)
	list, codes := string(index(all, workers.All())), string(errorList(all))
	for _, w := range req.AtLeast(t, 2, workers.All()) {
		if strings.Count(list, "| `"+w.Spec.Name+"` | "+w.Spec.Summary) != 1 {
			t.Errorf("%s does not stand in the index once", w.Spec.Name)
		}
	}
	for _, f := range all {
		if strings.Count(list, "| `"+f.Spec.Name+"` | "+string(f.Form)+" |") != 1 {
			t.Errorf("%s does not stand in the index once", f.Spec.Name)
		}
		if f.Trigger != fn.TriggerHTTP {
			continue
		}
		_, after, _ := strings.Cut(codes, "\n| `"+f.Spec.Name+"` |")
		row, _, _ := strings.Cut(after, "\n")
		for _, e := range append(fn.StageRefusals(f.Spec), f.Spec.Refusals...) {
			if strings.Count(codes, "\n| `"+e.Code()+"` | ") != 1 {
				t.Errorf("%s does not stand in the list of errors once", e.Code())
			}
			if !strings.Contains(row, "`"+e.Code()+"`") {
				t.Errorf("%s may answer %s, and its row does not say so", f.Spec.Name, e.Code())
			}
		}
	}
}

// The client has a method and the types of each function that takes frames: each
// name once, and every field under its JSON name.
func TestClientKnowsEveryFunction(t *testing.T) {
	t.Parallel()
	source, err := clientAPI(everyFunction(t))
	check.Must(t, err)
	text, methods := string(source), 0
	for _, f := range everyFunction(t) {
		method := "\nfunc (c *Client) " + goName(f.Spec.Name) + "("
		want := 0
		if f.Trigger == fn.TriggerHTTP && !f.Spec.NoChannel {
			want = 1
			methods++
			for _, name := range jsonNames(f.Request) {
				if !strings.Contains(text, "`json:\""+name) {
					t.Errorf("%s: the client has no field %s", f.Spec.Name, name)
				}
			}
		}
		if got := strings.Count(text, method); got != want {
			t.Errorf("%s has %d methods, want %d", f.Spec.Name, got, want)
		}
	}
	if methods < 15 {
		t.Errorf("only %d methods", methods)
	}
	for _, wanted := range []string{
		"func (c *Client) TransferConfirm(ctx context.Context, key string, request TransferConfirmRequest) (TransferView, error)",
		"func (c *Client) AccountOverview(ctx context.Context) (AccountOverviewReply, error)",
		"c.CallOnce(ctx, \"identity-register\", key, request, &reply)",
		"PayeeAccountID *uuid.UUID `json:\"payee_account_id,omitempty\"` // Another account of the caller",
		"Digest             []byte    `json:\"digest\"`",
		"Proofs   []StepupProof `json:\"proofs\"`",
	} {
		if !strings.Contains(text, wanted) {
			t.Errorf("there is no %s", wanted)
		}
	}
}

// A deprecated function is marked in the API reference, in the client and in the index.
func TestDescriptionsMarkDeprecatedFunctions(t *testing.T) {
	t.Parallel()
	old := fn.Query(fn.Spec{
		Name: "test-older", Summary: "Of a test", Audience: fn.Public, Requirements: []string{"LOGIC-001"},
		Deprecated: fn.Deprecation{Since: "2026-12-01", Sunset: "2027-06-30", Successor: "test-newer"},
	}, func(context.Context, *fn.Lent, struct{}) (fn.QueryOperation[struct{}, struct{}], error) {
		return nil, nil
	})
	operations := func(raw []byte) (version string, deprecated map[string]any) {
		var doc struct {
			Info struct {
				Version string `json:"version"`
			} `json:"info"`
			Paths map[string]struct {
				Post map[string]any `json:"post"`
			} `json:"paths"`
		}
		check.Must(t, json.Unmarshal(raw, &doc))
		deprecated = map[string]any{}
		for path, operation := range doc.Paths {
			if operation.Post["deprecated"] != nil {
				deprecated[path] = operation.Post["x-deprecation"]
			}
		}
		return doc.Info.Version, deprecated
	}
	raw, err := openAPI(append(everyFunction(t), old))
	check.Must(t, err)
	version, deprecated := operations(raw)
	want := map[string]any{
		"/function/test-older": map[string]any{"since": "2026-12-01", "sunset": "2027-06-30", "successor": "test-newer"},
	}
	for _, f := range everyFunction(t) { // those of the bank that are deprecated
		if d := f.Spec.Deprecated; d.Since != "" {
			want["/function/"+f.Spec.Name] = map[string]any{"since": d.Since, "sunset": d.Sunset, "successor": d.Successor}
		}
	}
	if diff := cmp.Diff(want, deprecated); diff != "" || version != fn.APIVersion {
		t.Errorf("version %q; deprecated (-want +got):\n%s", version, diff)
	}
	if got := deprecatedComment(old.Spec); got != "//\n// Deprecated: since 2026-12-01. It may be gone from 2027-06-30. Use TestNewer.\n" {
		t.Errorf("the client says %q", got)
	}
	if got := string(index([]fn.Function{old}, nil)); !strings.Contains(got, "| deprecated since 2026-12-01 |") {
		t.Errorf("the index says %s", got)
	}
}

func jsonNames(of reflect.Type) []string {
	var names []string
	for f := range of.Fields() {
		if f.Anonymous {
			names = append(names, jsonNames(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// A type that the client can't have causes an error that names the type.
func TestClientRefusesTypes(t *testing.T) {
	t.Parallel()
	type named struct {
		F func() `json:"f"`
	}
	for name, of := range map[string]reflect.Type{
		"a function": reflect.TypeFor[func()](), "a struct without a name": reflect.TypeFor[struct{ A int }](),
		"a struct of another module": reflect.TypeFor[reflect.StructField](), "inside": reflect.TypeFor[named](),
	} {
		types := &clientTypes{names: map[reflect.Type]string{}, taken: map[string]reflect.Type{}, users: map[string][]string{}}
		if got, err := types.name(functions.All()[0], of); !errors.Is(err, errType) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// The index tells of each form, and of each part of a policy.
func TestIndexNamesThePolicy(t *testing.T) {
	t.Parallel()
	list := string(index(everyFunction(t), nil))
	for _, wanted := range []string{
		"| `captcha-issue` | query | Draw a graphic code | public | no database, rate auth |",
		"| `identity-login` | command | Log in with password and one-time code | public | counts attempts, session starts, rate auth,",
		"| `identity-logout` | command | Log out | customer | session ends, audit auth |",
		"| `transfer-confirm` | confirm | Carry out a prepared transfer with its proofs | customer | idempotent, step-up, risk ",
		"| `notify-on-otp` | event | Send a one-time code by SMS | internal |  | ← `otp.issued.v1` → `message.refused.v1` |",
	} {
		if !strings.Contains(list, wanted) {
			t.Errorf("there is no %s", wanted)
		}
	}
}

package functions_test

import (
	"context"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/docs"
	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/conformance/catalogue"
	"github.com/tidebank/tidebank/test/req"
)

// isEvent tells functions that react to events from those that answer requests.
func isEvent(f fn.Function) bool { return len(f.Spec.Consumes) > 0 }

// everyFunction is the whole registry. A walk over much less proves nothing; the
// same holds for the parts of it below.
func everyFunction(t *testing.T) []fn.Function {
	t.Helper()
	return req.AtLeast(t, 20, functions.All())
}

// endpoints are the functions that answer requests.
func endpoints(t *testing.T) []fn.Function {
	t.Helper()
	return req.AtLeast(t, 16, slices.DeleteFunc(functions.All(), isEvent))
}

// channelFunctions are the endpoints that take sealed frames.
func channelFunctions(t *testing.T) []fn.Function {
	t.Helper()
	return req.AtLeast(t, 15, slices.DeleteFunc(endpoints(t), func(f fn.Function) bool { return f.Spec.NoChannel }))
}

// eventFunctions are the functions that react to events.
func eventFunctions(t *testing.T) []fn.Function {
	t.Helper()
	return req.AtLeast(t, 4, slices.DeleteFunc(functions.All(), func(f fn.Function) bool { return !isEvent(f) }))
}

// refusals is all that a function may answer.
func refusals(f fn.Function) []*bankerr.Error {
	return append(fn.StageRefusals(f.Spec), f.Spec.Refusals...)
}

func codes(list []*bankerr.Error) []string {
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Code()
	}
	return names
}

func TestNamesAreUniqueLabels(t *testing.T) {
	t.Parallel()
	label := regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)
	var names []string
	for _, f := range everyFunction(t) {
		name := f.Spec.Name
		if !label.MatchString(name) || len(name) > 40 {
			t.Errorf("%q is no DNS label of at most 40 characters", name)
		}
		names = append(names, name)
		domain := strings.TrimPrefix(f.Config.PkgPath(), "github.com/tidebank/tidebank/functions/")
		if want := strings.Split(domain, "/")[0]; want != strings.Split(name, "-")[0] {
			t.Errorf("%s stands in the domain %s", name, want)
		}
	}
	slices.Sort(names)
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) || len(names) == 0 {
		t.Errorf("names are not unique: %v", names)
	}
}

func TestRequirementsExist(t *testing.T) {
	t.Parallel()
	requirements, err := catalogue.Load("..")
	check.Must(t, err)
	scopes := map[string]string{}
	for _, r := range requirements {
		scopes[r.ID] = r.Scope
	}
	for _, f := range everyFunction(t) {
		if len(f.Spec.Requirements) == 0 {
			t.Errorf("%s cites no requirement", f.Spec.Name)
		}
		seen := map[string]bool{}
		for _, id := range f.Spec.Requirements {
			if scopes[id] != "server" {
				t.Errorf("%s cites %s, whose scope is %q", f.Spec.Name, id, scopes[id])
			}
			if seen[id] {
				t.Errorf("%s cites %s twice", f.Spec.Name, id)
			}
			seen[id] = true
		}
	}
}

func TestRefusalsHaveTextsAndOneKind(t *testing.T) {
	t.Parallel()
	req.Covers(t, "ERR-002.1")
	kinds := map[string]bankerr.Kind{}
	for _, f := range everyFunction(t) {
		stages := codes(fn.StageRefusals(f.Spec))
		seen := map[string]bool{}
		for _, e := range refusals(f) {
			text, ok := bankerr.Lookup(e.Code())
			if !ok || text.Title == "" || text.Advice == "" {
				t.Errorf("%s may answer %s, which has no text", f.Spec.Name, e.Code())
			}
			if kind, ok := kinds[e.Code()]; ok && kind != e.Kind() {
				t.Errorf("%s is of the kinds %d and %d", e.Code(), kind, e.Kind())
			}
			kinds[e.Code()] = e.Kind()
		}
		for _, code := range codes(f.Spec.Refusals) {
			// Two stages may answer the same code. An operation declares only other codes.
			if seen[code] || slices.Contains(stages, code) && code != bankerr.ErrNotFound.Code() {
				t.Errorf("%s declares %s again", f.Spec.Name, code)
			}
			seen[code] = true
		}
	}
	if len(kinds) < 25 {
		t.Errorf("only %d codes were read", len(kinds))
	}
}

func TestEveryEventIsHeard(t *testing.T) {
	t.Parallel()
	table := functions.Subscriptions()
	var known []string
	for _, kind := range events.Catalogue() {
		known = append(known, kind.Type)
	}
	// The runtime sends access records; no function declares them.
	emitted := map[string]bool{events.TypeAccessRecorded: true}
	consumes := map[string][]string{}
	for _, f := range everyFunction(t) {
		for _, kind := range f.Spec.Emits {
			emitted[kind] = true
		}
		if isEvent(f) && !f.Spec.DeadLetters {
			consumes[f.Spec.Name] = slices.Sorted(slices.Values(f.Spec.Consumes))
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(known)), slices.Sorted(maps.Keys(emitted))); diff != "" {
		t.Errorf("events that are known and that are sent (-known +sent):\n%s", diff)
	}
	subscribed := map[string][]string{}
	for _, s := range table {
		subscribed[s.Consumer] = slices.Sorted(slices.Values(append(subscribed[s.Consumer], s.Types...)))
		for _, kind := range s.Types {
			if !slices.Contains(known, kind) {
				t.Errorf("%s hears %s, which there is not", s.Consumer, kind)
			}
		}
		if unique := slices.Compact(slices.Clone(subscribed[s.Consumer])); len(unique) != len(subscribed[s.Consumer]) {
			t.Errorf("%s hears a type twice: %v", s.Consumer, subscribed[s.Consumer])
		}
	}
	if diff := cmp.Diff(consumes, subscribed); diff != "" {
		t.Errorf("who hears what (-functions +subscriptions):\n%s", diff)
	}
	for _, kind := range events.Catalogue() {
		heard := table.Consumers(kind.Type)
		if (len(heard) == 0) != (kind.Unheard != "") {
			t.Errorf("%s is heard by %v, and the reason for nobody is %q", kind.Type, heard, kind.Unheard)
		}
	}
}

// fields are the names of a type's JSON fields at any depth.
func fields(of reflect.Type) []string {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || !strings.HasPrefix(of.PkgPath(), "github.com/tidebank/") {
		return nil
	}
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
		names = append(names, fields(f.Type)...)
	}
	return names
}

func TestPersonalFieldsAreDeclared(t *testing.T) {
	t.Parallel()
	var masked []string
	for _, f := range endpoints(t) {
		reply := fields(f.Response)
		for _, name := range f.Spec.Personal {
			if !slices.Contains(reply, name) {
				t.Errorf("%s declares %s as personal, which its reply does not have", f.Spec.Name, name)
			}
		}
		for _, name := range reply {
			if !strings.HasSuffix(name, "_masked") {
				continue
			}
			masked = append(masked, name)
			if !slices.Contains(f.Spec.Personal, name) {
				t.Errorf("%s masks %s, and does not declare it as personal", f.Spec.Name, name)
			}
		}
	}
	req.AtLeast(t, 16, masked)
}

// No reply has a field for a secret.
func TestNoReplyHasAPlaceForSecrets(t *testing.T) {
	t.Parallel()
	secret := regexp.MustCompile(`(?i)cvn|cvv|expir.*(card|month|year)|(card|month|year).*expir|password|passwd|\bpin\b|_pin|secret|otp`)
	var seen []string
	for _, f := range endpoints(t) {
		for _, name := range fields(f.Response) {
			seen = append(seen, name)
			// The bank's public key that passwords are sealed to is not one.
			if secret.MatchString(name) && name != "password_key" {
				t.Errorf("%s answers with %s", f.Spec.Name, name)
			}
		}
	}
	req.AtLeast(t, 90, seen)
}

func TestOpenAPIDescribesEveryFunction(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	check.Must(t, err)
	if err := doc.Validate(context.Background()); err != nil {
		t.Errorf("docs/openapi.json is not valid: %v", err)
	}
	var want []string
	for _, f := range endpoints(t) {
		path := "/function/" + f.Spec.Name
		want = append(want, path)
		item := doc.Paths.Value(path)
		if item == nil || item.Post == nil || len(item.Operations()) != 1 {
			t.Errorf("%s is not described as one POST", path)
			continue
		}
		described := item.Post.Responses
		for _, e := range refusals(f) {
			answer := described.Value(strconv.Itoa(e.Kind().Status()))
			if answer == nil || answer.Value.Description == nil ||
				!slices.Contains(strings.Split(*answer.Value.Description, ", "), e.Code()) {
				t.Errorf("%s: %s is not described under %d", path, e.Code(), e.Kind().Status())
			}
		}
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(doc.Paths.Map()))); diff != "" {
		t.Errorf("paths (-registry +docs/openapi.json):\n%s", diff)
	}
}

// The successor of a deprecated function is a function of the bank, and is not
// deprecated itself.
func TestSuccessorsExist(t *testing.T) {
	t.Parallel()
	byName := map[string]fn.Function{}
	for _, f := range everyFunction(t) {
		byName[f.Spec.Name] = f
	}
	for name, f := range byName {
		successor := f.Spec.Deprecated.Successor
		if next, found := byName[successor]; successor != "" && (!found || next.Spec.Deprecated.Since != "") {
			t.Errorf("%s sends apps to %q", name, successor)
		}
	}
}

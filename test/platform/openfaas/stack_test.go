package openfaas

import (
	"bytes"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/openfaas/go-sdk/stack"
	"gopkg.in/yaml.v3"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/workers"
)

// The stack files, from the repository's root: the folder in which faas-cli runs, and in
// which these tests run.
const (
	standard  = "stack.yml"
	community = "infra/openfaas/community.yml"
)

// unnamed are the variables of the stack files that have no default, with values for these tests.
var unnamed = map[string]string{
	"TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
	"APP_SIGNATURES":  hex.EncodeToString(environment.GoClient()),
}

// A bank that does not name its proxies and its apps gets no process that trusts those of others.
func TestTheBankNamesItsProxiesAndApps(t *testing.T) {
	t.Parallel()
	for _, path := range []string{standard, community} {
		text, err := os.ReadFile(path)
		must(t, err)
		s, err := strict(text)
		must(t, err)
		seen := map[string]bool{}
		for name, f := range s.Functions {
			for key, value := range f.Environment {
				variable := strings.TrimPrefix(key, "FN_")
				if _, ok := unnamed[variable]; !ok {
					continue
				}
				seen[variable] = true
				if value != "${"+variable+":-NAME-THEM}" {
					t.Errorf("%s: %s of %s is %s", path, key, name, value)
				}
			}
		}
		if len(seen) != len(unnamed) {
			t.Errorf("%s: only %v", path, seen)
		}
	}
	if err := new(address.Networks).Decode("NAME-THEM"); err == nil {
		t.Error("a process starts with proxies that nobody has named")
	}
	if _, err := environment.ParseApps(environment.Config{Signatures: "NAME-THEM"}); err == nil {
		t.Error("a process starts with apps that nobody has named")
	}
}

func TestMain(m *testing.M) {
	if err := os.Chdir("../../.."); err != nil {
		panic(err)
	}
	for key, value := range unnamed {
		if err := os.Setenv(key, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	removeBuilt()
	os.Exit(code)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// strict decodes a stack file, and refuses a field that the type lacks.
func strict(text []byte) (stack.Services, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	var s stack.Services
	err := d.Decode(&s)
	return s, err
}

// parsed reads a stack file as faas-cli does, with the defaults of its variables.
func parsed(t *testing.T, path string) *stack.Services {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	if _, err := strict(text); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	s, err := stack.ParseYAMLFile(path, "", "", true)
	must(t, err)
	return s
}

// mains lists the processes that have a binary, without those of platforms whose broker
// keeps dead letters or has queues.
func mains(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("infra/mains")
	must(t, err)
	var names []string
	for _, e := range entries {
		elsewhere := func(f fn.Function) bool { return f.Spec.Name == e.Name() && (f.Spec.DeadLetters || f.Spec.Queues) }
		if !slices.ContainsFunc(slices.Concat(functions.All(), workers.All()), elsewhere) {
			names = append(names, e.Name())
		}
	}
	if len(names) < 20 {
		t.Fatalf("only %d mains", len(names))
	}
	return names
}

// OpenFaaS' own types take both files. The first has every process, the second as many as
// the Community Edition takes.
func TestOpenFaaSTakesTheStacks(t *testing.T) {
	t.Parallel()
	whole, part := parsed(t, standard), parsed(t, community)
	if got := slices.Sorted(maps.Keys(whole.Functions)); !slices.Equal(got, mains(t)) {
		t.Errorf("%s has %v, want %v", standard, got, mains(t))
	}
	if n := len(part.Functions); n == 0 || n > 15 {
		t.Errorf("%s has %d functions, and the Community Edition takes 15", community, n)
	}
	for name, f := range part.Functions {
		if _, found := whole.Functions[name]; !found {
			t.Errorf("%s: %s is not in %s", community, name, standard)
		}
		if max := (*f.Labels)["com.openfaas.scale.max"]; len(max) != 1 || max > "5" {
			t.Errorf("%s: %s has %s instances, and the Community Edition takes 5", community, name, max)
		}
		if f.Annotations != nil {
			t.Errorf("%s: %s has annotations, which the Community Edition refuses or ignores: %v", community, name, *f.Annotations)
		}
	}
	for path, s := range map[string]*stack.Services{standard: whole, community: part} {
		for name, f := range s.Functions {
			checkFunction(t, path+": "+name, name, f)
		}
	}
}

func checkFunction(t *testing.T, where, name string, f stack.Function) {
	t.Helper()
	if f.Language != "dockerfile" || f.Image != "registry.example/tidebank/"+name+":latest" || f.BuildArgs["PROCESS"] != name {
		t.Errorf("%s: %s, image %s, arguments %v", where, f.Language, f.Image, f.BuildArgs)
	}
	if !f.ReadOnlyRootFilesystem || f.Limits == nil || f.Limits.Memory == "" || f.Limits.CPU == "" || f.Requests == nil || f.Requests.CPU == "" {
		t.Errorf("%s: the file system is writable, or there are no limits or requests: %+v", where, f)
	}
	// Each secret stands in a file that the environment names, and nothing else is secret.
	named := map[string]bool{}
	for key, value := range f.Environment {
		if strings.Contains(value, "$") {
			t.Errorf("%s: %s is %q", where, key, value)
		}
		if secret, is := strings.CutPrefix(strings.TrimPrefix(value, "file://"), "/var/openfaas/secrets/"); is {
			named[secret] = true
		} else if strings.HasSuffix(key, "_SECRET") || key == "DATABASE_URL" || key == "REDIS_URL" || key == "KEYS_FILE" {
			t.Errorf("%s: %s stands in the stack file", where, key)
		}
	}
	if f.Environment["DATABASE_URL"] != "" {
		named["tidebank-ca"] = true // DATABASE_URL names it
	}
	if got, want := slices.Sorted(slices.Values(f.Secrets)), slices.Sorted(maps.Keys(named)); !slices.Equal(got, want) {
		t.Errorf("%s: has the secrets %v, and reads %v", where, got, want)
	}
	for secret := range named {
		if !strings.HasPrefix(secret, name+"-") && !strings.HasPrefix(secret, "tidebank-") {
			t.Errorf("%s: reads the secret %s of another process", where, secret)
		}
	}
}

// Each event function has the topics that it hears; no other process has one.
func TestTopicsAreTheSubscriptions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("events/subscriptions.yaml")
	must(t, err)
	var list struct {
		Subscriptions []struct {
			Consumer string
			Types    []string
		}
	}
	must(t, yaml.Unmarshal(text, &list))
	if len(list.Subscriptions) < 5 {
		t.Fatalf("only %d subscriptions", len(list.Subscriptions))
	}
	want, got := map[string]string{}, map[string]string{}
	for _, s := range list.Subscriptions {
		want[s.Consumer] = strings.Join(s.Types, ",")
	}
	for name, f := range parsed(t, standard).Functions {
		if topic, is := (*f.Annotations)["topic"]; is {
			got[name] = topic
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("topics %v, want %v", got, want)
	}
}

// The strict decoder finds what faas-cli's would pass over.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(standard)
	must(t, err)
	for name, replace := range map[string][2]string{
		"a field with a typing error": {"readonly_root_filesystem", "read_only_root_filesystem"},
		"a list for a map":            {"    labels:\n", "    labels: []\n    x:\n"},
		"limits of another form":      {"memory: 128Mi", "memory: {Mi: 128}"},
	} {
		changed := strings.Replace(string(text), replace[0], replace[1], 1)
		if changed == string(text) {
			t.Errorf("%s: nothing was changed", name)
		}
		if _, err := strict([]byte(changed)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

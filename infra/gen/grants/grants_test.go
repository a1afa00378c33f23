package grants

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
)

// text writes rights as lines: "account: SELECT UPDATE".
func text(need rights) []string {
	list := []string{}
	for _, object := range slices.Sorted(maps.Keys(need)) {
		list = append(list, object+": "+strings.Join(together(need[object]), " "))
	}
	return list
}

func TestAStatementNeeds(t *testing.T) {
	t.Parallel()
	s := schema{tables: []string{"account", "entry", "outbox"}, functions: map[string]string{
		"post":  "CREATE FUNCTION post() LANGUAGE plpgsql AS $$ BEGIN UPDATE public.account SET a = 1; PERFORM pay(1); END $$",
		"pay":   "CREATE FUNCTION pay() LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM entry; END $$",
		"entry": "CREATE FUNCTION entry() AS $$ INSERT INTO entry VALUES (1) $$",
	}}
	for sql, want := range map[string][]string{
		"SELECT a FROM account JOIN entry ON true":                          {"account: SELECT", "entry: SELECT"},
		"-- a.b\nSELECT a FROM account -- FROM entry":                       {"account: SELECT"},
		"SELECT 'FROM entry', other FROM nowhere":                           {},
		"SELECT a FROM account FOR UPDATE":                                  {"account: SELECT UPDATE"},
		"SELECT a FROM account FOR NO KEY UPDATE":                           {"account: SELECT UPDATE"},
		"INSERT INTO outbox VALUES (1)":                                     {"outbox: INSERT"},
		"INSERT INTO outbox VALUES (1) ON CONFLICT DO NOTHING":              {"outbox: INSERT SELECT"},
		"INSERT INTO outbox VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1": {"outbox: INSERT SELECT UPDATE (a)"},
		"INSERT INTO outbox SELECT a FROM account":                          {"account: SELECT", "outbox: INSERT"},
		"UPDATE account SET a = 1":                                          {"account: SELECT UPDATE (a)"},
		"UPDATE public.account AS x SET a = 1, B = f(x.b, 2), c = ',' FROM entry WHERE d = 1": {
			"account: SELECT UPDATE (a, b, c)", "entry: SELECT",
		},
		"UPDATE account a SET b = extract(epoch FROM a.c), d = a.e IS DISTINCT FROM a.f, g = 1 RETURNING h": {
			"account: SELECT UPDATE (b, d, g)",
		},
		"UPDATE account SET (a, b) = (SELECT 1, 2)":                             {"account: SELECT UPDATE"},
		"WITH x AS (UPDATE account SET a = 1) UPDATE entry SET b = 1; SELECT 1": {"account: SELECT UPDATE (a)", "entry: SELECT UPDATE (b)"},
		"INSERT INTO entry VALUES (1) ON CONFLICT DO NOTHING; INSERT INTO outbox VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1": {
			"entry: INSERT SELECT", "outbox: INSERT SELECT UPDATE (b)",
		},
		"WITH x AS (SELECT a FROM account FOR UPDATE) UPDATE account SET b = 1": {"account: SELECT UPDATE (b)"},
		"DELETE FROM ONLY public.outbox WHERE a = 1":                            {"outbox: DELETE SELECT"},
		"WITH x AS (DELETE FROM outbox RETURNING a) SELECT a FROM x":            {"outbox: DELETE SELECT"},
		"SELECT post($1)":  {"account: SELECT UPDATE (a)", "pay(): EXECUTE", "post(): EXECUTE"},
		"SELECT pay($1)":   {"pay(): EXECUTE"},
		"SELECT entry($1)": {"entry: INSERT", "entry(): EXECUTE"},
	} {
		if diff := cmp.Diff(want, text(s.statement(sql))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
}

// A role gets the rights of what its package names, directly, by a method, or through
// another package, and no right of a statement beside these.
func TestRightsFollowTheNames(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for file, content := range map[string]string{
		"infra/migrations/0001_a.sql": "CREATE TABLE account (a int);\nCREATE TABLE entry (a int);\nCREATE TABLE outbox (a int);\n" +
			"CREATE TABLE note (a int);",
		"infra/migrations/functions/post.sql": "CREATE OR REPLACE FUNCTION post() AS $$ UPDATE account SET a = 1 $$;",
		"functions/a/one/handler.go": `package one
import "github.com/tidebank/tidebank/shared/store"
import "github.com/tidebank/tidebank/shared/fn"
var Function = fn.Query(do)
func do(s *store.Store) { s.Read() }`,
		"functions/a/two/handler.go": `package two
import kept "github.com/tidebank/tidebank/shared/store"
var Function = do
const call = "post"
func do() { kept.Write(call) }`,
		"shared/store/store.go": `package store
type Store struct{}
const sqlRead = "SELECT a FROM " + "note"
const sqlWrite = "INSERT INTO entry VALUES (1)"
func (s *Store) Read() { run(sqlRead) }
func Write(string) { run(sqlWrite) }
func run(string) {}`,
		"shared/fn/fn.go": "package fn\nfunc Query(any) { run(`DELETE FROM outbox`) }\nfunc run(string) {}",
		"events/e.go":     "package events\nfunc Emit() { run(`INSERT INTO outbox VALUES (1)`) }\nfunc run(string) {}",
		"workers/w.go":    "package workers",
	} {
		path := filepath.Join(root, filepath.FromSlash(file))
		check.Must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check.Must(t, os.WriteFile(path, []byte(content), 0o600))
	}
	got, err := SQL(root, []Role{
		{Name: "a-one", Folder: "functions/a/one", Roots: []string{"events.Emit"}}, {Name: "a-two", Folder: "functions/a/two"},
	})
	check.Must(t, err)
	var grants []string
	for line := range strings.Lines(string(got)) {
		if strings.HasPrefix(line, "GRANT") {
			grants = append(grants, strings.TrimSpace(line))
		}
	}
	want := []string{
		"GRANT SELECT ON TABLE note TO tidebank_a_one;", "GRANT INSERT ON TABLE outbox TO tidebank_a_one;",
		"GRANT SELECT, UPDATE (a) ON TABLE account TO tidebank_a_two;", "GRANT INSERT ON TABLE entry TO tidebank_a_two;",
		"GRANT EXECUTE ON FUNCTION post TO tidebank_a_two;",
	}
	if diff := cmp.Diff(want, grants); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	for name, role := range map[string]Role{
		"no source": {Name: "a", Folder: "functions/a/three"},
		"no root":   {Name: "a", Folder: "functions/a/one", Roots: []string{"events.Gone"}},
	} {
		if _, err := SQL(root, []Role{role}); err == nil {
			t.Errorf("%s, and no error", name)
		}
	}
}

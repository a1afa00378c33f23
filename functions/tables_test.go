package functions_test

import (
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// Each statement has a name of its own, under which PostgreSQL's statistics and the
// bank's errors show it, and a migrated database can prepare it.
func TestStatementsAreNamedAndPrepare(t *testing.T) {
	t.Parallel()
	conn, err := pgtest.New(t).Pool().Acquire(t.Context())
	check.Must(t, err)
	defer conn.Release()
	seen := map[string]string{}
	for _, s := range statements(t) {
		name := named.FindStringSubmatch(s.sql)
		if name == nil {
			t.Errorf("%s does not begin with \"-- noun.verb\"", s.where)
			continue
		}
		if other, twice := seen[name[1]]; twice {
			t.Errorf("%s and %s are both named %s", other, s.where, name[1])
		}
		seen[name[1]] = s.where
		if _, err := conn.Conn().Prepare(t.Context(), s.where, s.sql); err != nil {
			t.Errorf("%s: %v", s.where, err)
		}
	}
}

// owners reads, from docs/architecture.md, which package writes each table.
func owners(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/architecture.md")
	check.Must(t, err)
	_, part, ok := strings.Cut(string(text), "| owner | writes |\n|---|---|\n")
	if !ok {
		t.Fatal("docs/architecture.md has no table of owners")
	}
	list := map[string]string{}
	for line := range strings.SplitSeq(part, "\n") {
		cells := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1)
		if len(cells) < 2 {
			break
		}
		for _, table := range cells[1:] {
			list[table[1]] = cells[0][1]
		}
	}
	return list
}

// Each table is written by one package, which the architecture names. Others call it.
func TestEachTableIsWrittenByItsOwner(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	tables := check.Column[string](t, db.Pool(), `
SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'goose%'`)
	viaFunction := functionWrites(t, db)
	found := map[string]map[string]bool{}
	for file, list := range ownTexts(t) {
		folder := strings.TrimPrefix(path.Dir(file), "../")
		for _, text := range list {
			written := written(text)
			for function, more := range viaFunction {
				if text == function || calls(text, function) {
					written = append(written, more...)
				}
			}
			for _, table := range written {
				if !slices.Contains(tables, table) && looksLikeSQL(text) {
					t.Errorf("%s: %q writes %s, which is no table", file, text, table)
				}
				if found[table] == nil {
					found[table] = map[string]bool{}
				}
				found[table][folder] = true
			}
		}
	}
	want := owners(t)
	for _, table := range tables {
		if want[table] == "" {
			t.Errorf("docs/architecture.md names no owner of %s", table)
		}
		by := slices.Sorted(maps.Keys(found[table]))
		if want[table] == "infra/migrations" && len(by) == 0 {
			continue
		}
		if diff := cmp.Diff([]string{want[table]}, by); diff != "" {
			t.Errorf("%s (-its owner +who writes it):\n%s", table, diff)
		}
	}
	for table := range want {
		if !slices.Contains(tables, table) {
			t.Errorf("docs/architecture.md names an owner of %s, which is no table", table)
		}
	}
}

// functionWrites are the tables that each SQL function writes, itself or through
// others that it calls.
func functionWrites(t *testing.T, db *pg.DB) map[string][]string {
	t.Helper()
	const of = "FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prolang <> 13"
	names := check.Column[string](t, db.Pool(), "SELECT proname::text "+of+" ORDER BY oid")
	bodies := check.Column[string](t, db.Pool(), "SELECT prosrc "+of+" ORDER BY oid")
	own := map[string][]string{}
	for i, name := range names {
		own[name] = written(bodies[i])
		if form := refused(bodies[i]); form != "" {
			t.Errorf("the SQL function %s contains %s", name, form)
		}
	}
	all := maps.Clone(own)
	for i, name := range names {
		for _, other := range names {
			if other != name && calls(bodies[i], other) {
				all[name] = append(slices.Clone(all[name]), own[other]...)
			}
		}
	}
	if len(all["ledger_post_rows"]) < 3 {
		t.Fatalf("SQL functions write: %v", all)
	}
	return all
}

// A domain knows no other domain, and its rules do not know the runtime.
func TestDomainsStandAlone(t *testing.T) {
	t.Parallel()
	const module = "github.com/tidebank/tidebank/"
	for file, parsed := range sources(t) {
		inside, ok := strings.CutPrefix(file, "../functions/")
		parts := strings.Split(inside, "/")
		if !ok || len(parts) < 2 {
			continue
		}
		for _, imported := range parsed.Imports {
			name, _ := strconv.Unquote(imported.Path.Value)
			other, isDomain := strings.CutPrefix(name, module+"functions/")
			if isDomain && strings.Split(other, "/")[0] != parts[0] {
				t.Errorf("%s imports %s, another domain", file, name)
			}
			if len(parts) == 2 && name == module+"shared/fn" {
				t.Errorf("%s is a rule and imports the runtime", file)
			}
		}
	}
}

// The typed constants are those that the database admits.
func TestConstantsAreTheDatabases(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	definition := func(constraint string) string {
		return check.Value[string](t, db.Pool(),
			"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", constraint)
	}
	for constraint, constants := range map[string][]string{
		"account_kind": quoted(ledger.Kinds()), "account_state": quoted(ledger.States()),
	} {
		admitted := regexp.MustCompile(`'[^']*'`).FindAllString(definition(constraint), -1)
		if diff := cmp.Diff(admitted, constants); diff != "" || len(constants) == 0 {
			t.Errorf("%s (-database +constants):\n%s", constraint, diff)
		}
	}
	for _, constraint := range []string{"customer_risk_grade", "intent_grade"} {
		bounds := regexp.MustCompile(`\d+`).FindAllString(definition(constraint), -1)
		want := []string{strconv.Itoa(int(risk.GradeNormal)), strconv.Itoa(int(risk.GradeHigh))}
		if diff := cmp.Diff(bounds, want); diff != "" {
			t.Errorf("%s (-database +constants):\n%s", constraint, diff)
		}
	}
}

func quoted[T ~string](list []T) []string {
	var all []string
	for _, value := range list {
		all = append(all, "'"+string(value)+"'")
	}
	return all
}

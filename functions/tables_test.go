package functions_test

import (
	"go/ast"
	"go/token"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// statement is a constant that holds SQL.
type statement struct{ where, sql string }

var (
	looksLikeSQL = regexp.MustCompile(`^\s*(--.*\n)?\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s`)
	named        = regexp.MustCompile(`^-- ([a-z_]+(?:\.[a-z_]+)+)\n`)
	// A word before UPDATE marks statements that change no table: FOR UPDATE, DO UPDATE.
	writes = regexp.MustCompile(`(?i)(?:(\w+)\s+)?\b(?:INSERT\s+INTO|DELETE\s+FROM|UPDATE|MERGE\s+INTO|TRUNCATE|COPY)\s+` +
		`(?:TABLE\s+)?(?:ONLY\s+)?((?:"?\w+"?\s*\.\s*)?"?\w+"?)`)
)

// statements finds the SQL constants of the bank itself: tests and their helpers
// stand aside.
func statements(t *testing.T) []statement {
	t.Helper()
	var list []statement
	byFolder := map[string]map[string]ast.Expr{}
	files := sources(t)
	for file, parsed := range files {
		if strings.HasPrefix(file, "../test/") {
			continue
		}
		folder := path.Dir(file)
		if byFolder[folder] == nil {
			byFolder[folder] = map[string]ast.Expr{}
		}
		maps.Copy(byFolder[folder], constants(parsed))
	}
	for folder, all := range byFolder {
		for name, value := range all {
			if _, alias := value.(*ast.Ident); alias {
				continue
			}
			if sql := fold(value, all); looksLikeSQL.MatchString(sql) {
				list = append(list, statement{strings.TrimPrefix(folder, "../") + " " + name, sql})
			}
		}
	}
	if len(list) < 60 {
		t.Fatalf("only %d SQL constants were found", len(list))
	}
	slices.SortFunc(list, func(a, b statement) int { return strings.Compare(a.where, b.where) })
	return list
}

// constants are a file's constants at package level.
func constants(file *ast.File) map[string]ast.Expr {
	found := map[string]ast.Expr{}
	for _, declared := range file.Decls {
		group, ok := declared.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			values, _ := spec.(*ast.ValueSpec)
			for i, name := range values.Names {
				if i < len(values.Values) {
					found[name.Name] = values.Values[i]
				}
			}
		}
	}
	return found
}

// fold is the text of a constant expression; of others it is empty.
func fold(e ast.Expr, all map[string]ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.BinaryExpr:
		return fold(e.X, all) + fold(e.Y, all)
	case *ast.Ident:
		if value, ok := all[e.Name]; ok {
			return fold(value, all)
		}
	}
	return ""
}

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
	viaFunction := functionWrites(t, db, tables)
	found := map[string]map[string]bool{}
	for file, parsed := range sources(t) {
		folder := strings.TrimPrefix(path.Dir(file), "../")
		if strings.HasPrefix(folder, "test/") {
			continue
		}
		all := constants(parsed)
		list := texts(parsed)
		for _, value := range all {
			list = append(list, fold(value, all)) // also what stands in two pieces
		}
		for _, text := range list {
			written := written(text, tables)
			for function, more := range viaFunction {
				if text == function || looksLikeSQL.MatchString(text) && calls(text, function) {
					written = append(written, more...)
				}
			}
			for _, table := range written {
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

// written are the tables that a piece of SQL inserts into, updates or deletes from.
func written(sql string, tables []string) []string {
	var list []string
	for _, found := range writes.FindAllStringSubmatch(sql, -1) {
		before := strings.ToUpper(found[1])
		parts := strings.FieldsFunc(found[2], func(r rune) bool { return r == '.' || r == '"' || unicode.IsSpace(r) })
		table := parts[len(parts)-1]
		if before == "FOR" || before == "KEY" || before == "DO" || !slices.Contains(tables, table) {
			continue
		}
		list = append(list, table)
	}
	return list
}

// No statement takes the name of its table from a variable, where the owner test
// would not see it.
func TestNoStatementPutsItsTableTogether(t *testing.T) {
	t.Parallel()
	open := regexp.MustCompile(`(?i)\b(?:INSERT\s+INTO|DELETE\s+FROM(?:\s+ONLY)?|MERGE\s+INTO|UPDATE\s+ONLY|TRUNCATE|COPY)\s+` +
		`(?:"?%|"?$)|^UPDATE\s+(?:"?%|"?$)`)
	for _, dynamic := range []string{"DELETE FROM ", "INSERT INTO %s (a)", `UPDATE "%s"`, "UPDATE "} {
		if !open.MatchString(dynamic) {
			t.Errorf("%q is not seen", dynamic)
		}
	}
	for file, parsed := range sources(t) {
		for _, text := range texts(parsed) {
			if !strings.HasPrefix(file, "../test/") && open.MatchString(text) {
				t.Errorf("%s: %q", file, text)
			}
		}
	}
}

// The owner test sees each form of writing that PostgreSQL knows.
func TestWritten(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"INSERT INTO entry (id) SELECT 1": "entry", "insert into public.entry values (1)": "entry",
		`UPDATE "entry" SET a = 1`: "entry", "UPDATE ONLY entry SET a = 1": "entry",
		`DELETE FROM ONLY "public" . "entry"`: "entry", "MERGE INTO entry USING x ON true": "entry",
		"TRUNCATE TABLE ONLY entry": "entry", "TRUNCATE entry": "entry", "COPY entry FROM STDIN": "entry",
		"WITH a AS (DELETE FROM entry RETURNING id) SELECT 1": "entry",
		"SELECT 1 FROM entry FOR UPDATE":                      "", "SELECT 1 FROM entry FOR NO KEY UPDATE OF entry": "",
		"INSERT INTO other VALUES (1) ON CONFLICT DO UPDATE SET a = 1": "",
	} {
		if got := strings.Join(written(sql, []string{"entry"}), " "); got != want {
			t.Errorf("%q writes %q, want %q", sql, got, want)
		}
	}
}

func calls(sql, function string) bool {
	return regexp.MustCompile(`\b` + function + `\(`).MatchString(sql)
}

// functionWrites are the tables that each SQL function writes, itself or through
// others that it calls.
func functionWrites(t *testing.T, db *pg.DB, tables []string) map[string][]string {
	t.Helper()
	const of = "FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prolang <> 13"
	names := check.Column[string](t, db.Pool(), "SELECT proname::text "+of+" ORDER BY oid")
	bodies := check.Column[string](t, db.Pool(), "SELECT prosrc "+of+" ORDER BY oid")
	own := map[string][]string{}
	for i, name := range names {
		own[name] = written(bodies[i], tables)
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

package functions_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/check"
)

// statement is a constant that holds SQL.
type statement struct{ where, sql string }

const (
	identifier = `(?:(?:U&)?"[^"]+"|\w+)`
	qualified  = identifier + `(?:\s*\.\s*` + identifier + `){0,2}`
	target     = `(?:ONLY\s*\(\s*` + qualified + `\s*\)|(?:ONLY\s*)?` + qualified + `(?:\s*\*)?)`
	notGiven   = `[\s(]*(?:(?:U&)?"?%|(?:U&)?"?$|')`
)

var (
	named   = regexp.MustCompile(`^-- ([a-z_]+(?:\.[a-z_]+)+)\n`)
	keyword = regexp.MustCompile(`(?i)^[\s(;]*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|TRUNCATE|COPY|DO|CALL|PREPARE|EXECUTE)\b`)
	quotes  = regexp.MustCompile(`(?is)^(?:e'(?:[^'\\]|\\.)*'|'[^']*'|"[^"]*")`)
	writes  = regexp.MustCompile(`(?i)(?:(\w+)\s+)?\b(INSERT\s+INTO|DELETE\s+FROM|UPDATE|MERGE\s+INTO|TRUNCATE(?:\s+TABLE\b)?|COPY)\b\s*` +
		`(` + target + `(?:\s*,\s*` + target + `)*)`)
	tableName = regexp.MustCompile(`(?i)(?:\bONLY\b[\s(]*)?(` + qualified + `)`)
	// unnamedTable matches a statement whose table does not stand in the same text.
	unnamedTable = regexp.MustCompile(`(?i)\b(?:INSERT\s+INTO|DELETE\s+FROM|MERGE\s+INTO|UPDATE\s+ONLY|TRUNCATE|TRUNCATE\s+TABLE|COPY)` +
		`(?:\s+ONLY)?\b` + notGiven + `|^\s*UPDATE\b` + notGiven)
	// dynamic matches a form of SQL that runs another text, or that hides a name.
	dynamic = regexp.MustCompile(`(?i)\b(?:DO\s+LANGUAGE|DO\s*\$|DO\s+e?'|CALL\s+["\w]|EXECUTE\b)|\$\w*\$|\bU&["'][^"']*\\`)
)

// statements finds the SQL constants of the bank itself, without those of tests and
// their helpers.
func statements(t *testing.T) []statement {
	t.Helper()
	var list []statement
	for folder, all := range constantsByFolder(t) {
		for name, value := range all {
			if _, alias := value.(*ast.Ident); alias {
				continue
			}
			if sql := fold(value, all); looksLikeSQL(sql) {
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

// constantsByFolder are the constants of each package of the bank itself.
func constantsByFolder(t *testing.T) map[string]map[string]ast.Expr {
	t.Helper()
	byFolder := map[string]map[string]ast.Expr{}
	for file, parsed := range sources(t) {
		if strings.HasPrefix(file, "../test/") {
			continue
		}
		folder := path.Dir(file)
		if byFolder[folder] == nil {
			byFolder[folder] = map[string]ast.Expr{}
		}
		maps.Copy(byFolder[folder], constants(parsed))
	}
	return byFolder
}

// constants are a file's constants, also those inside its functions.
func constants(file *ast.File) map[string]ast.Expr {
	found := map[string]ast.Expr{}
	ast.Inspect(file, func(n ast.Node) bool {
		group, ok := n.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			return true
		}
		for _, spec := range group.Specs {
			values, _ := spec.(*ast.ValueSpec)
			for i, name := range values.Names {
				if i < len(values.Values) {
					found[name.Name] = values.Values[i]
				}
			}
		}
		return true
	})
	return found
}

// fold is the text of a constant expression. A part that is no constant becomes %v.
func fold(e ast.Expr, all map[string]ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.ParenExpr:
		return fold(e.X, all)
	case *ast.BinaryExpr:
		return fold(e.X, all) + fold(e.Y, all)
	case *ast.Ident:
		if value, ok := all[e.Name]; ok {
			return fold(value, all)
		}
	}
	return "%v"
}

// folded are a file's texts, and the texts of its concatenations.
func folded(file *ast.File, all map[string]ast.Expr) []string {
	list := texts(file)
	ast.Inspect(file, func(n ast.Node) bool {
		if sum, ok := n.(*ast.BinaryExpr); ok && sum.Op == token.ADD {
			list = append(list, fold(sum, all))
		}
		return true
	})
	return list
}

// ownTexts are the texts of each file of the bank itself. The generator of roles runs no
// SQL; it holds the names of privileges.
func ownTexts(t *testing.T) map[string][]string {
	t.Helper()
	byFolder := constantsByFolder(t)
	list := map[string][]string{}
	for file, parsed := range sources(t) {
		if !strings.HasPrefix(file, "../test/") && !strings.HasPrefix(file, "../infra/gen/grants/") {
			list[file] = folded(parsed, byFolder[path.Dir(file)])
		}
	}
	return list
}

// uncommented is SQL with a space in place of each comment.
func uncommented(sql string) string {
	var b strings.Builder
	for sql != "" {
		plain := strings.IndexAny(sql, `'"eE-/`) // where a quoted text or a comment may begin
		if plain < 0 {
			plain = len(sql)
		}
		b.WriteString(sql[:plain])
		if sql = sql[plain:]; sql == "" {
			break
		}
		part, size := sql[:1], 1
		switch quoted := quotes.FindString(sql); {
		case quoted != "":
			part, size = quoted, len(quoted)
		case strings.HasPrefix(sql, "--"):
			line, _, _ := strings.Cut(sql, "\n")
			part, size = " ", len(line)
		case strings.HasPrefix(sql, "/*"):
			part, size = " ", commentLength(sql)
		}
		b.WriteString(part)
		sql = sql[size:]
	}
	return b.String()
}

// commentLength is the length of the comment at the start. Comments can be nested.
func commentLength(sql string) int {
	at := 0
	for depth := 0; at < len(sql); {
		switch {
		case strings.HasPrefix(sql[at:], "/*"):
			depth++
			at += 2
		case strings.HasPrefix(sql[at:], "*/"):
			depth--
			at += 2
		default:
			at++
		}
		if depth == 0 {
			return at
		}
	}
	return at
}

// looksLikeSQL reports whether a text begins as a statement.
func looksLikeSQL(text string) bool { return keyword.MatchString(uncommented(text)) }

// written are the tables that a piece of SQL inserts into, updates or deletes from.
func written(sql string) []string {
	var list []string
	for _, found := range writes.FindAllStringSubmatch(uncommented(sql), -1) {
		before := strings.ToUpper(found[1])
		if strings.EqualFold(found[2], "UPDATE") && (before == "FOR" || before == "KEY" || before == "DO") {
			continue // FOR UPDATE and DO UPDATE name no table
		}
		for _, each := range tableName.FindAllStringSubmatch(found[3], -1) {
			parts := strings.FieldsFunc(each[1], func(r rune) bool { return strings.ContainsRune(".\" \t\r\n", r) })
			list = append(list, strings.ToLower(parts[len(parts)-1]))
		}
	}
	return list
}

// calls reports whether SQL calls a function.
func calls(sql, function string) bool {
	if !strings.Contains(strings.ToLower(sql), function) { // most do not, and the expression is slow
		return false
	}
	return regexp.MustCompile(`(?i)\b` + function + `"?\s*\(`).MatchString(uncommented(sql))
}

// refused is the part of a text that runs another text or hides a name.
func refused(sql string) string { return dynamic.FindString(uncommented(sql)) }

// The owner test sees each form of writing that PostgreSQL knows.
func TestWritten(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"INSERT INTO entry (id) SELECT 1": "entry", "insert into public.entry values (1)": "entry",
		`UPDATE "entry" SET a = 1`: "entry", "UPDATE ONLY entry SET a = 1": "entry",
		"UPDATE ONLY (entry) SET a = 1": "entry", "UPDATE ONLY(public.entry) SET a = 1": "entry",
		`UPDATE ONLY"entry" SET a = 1`: "entry", `UPDATE"entry"SET a = 1`: "entry", "UPDATE entry * SET a = 1": "entry",
		`UPDATE U&"entry" SET a = 1`: "entry", "UPDATE tidebank.public.Entry SET a = 1": "entry",
		"UPDATE /* x */ entry SET a = 1": "entry", "UPDATE/* /* x */ */entry SET a = 1": "entry",
		"UPDATE -- for\nentry SET a = 1": "entry", "SELECT 1 -- FOR\nUPDATE entry SET a = 1": "entry",
		"SELECT '--'; DELETE/**/FROM entry": "entry", `SELECT e'\'--'; DELETE FROM entry`: "entry",
		`DELETE FROM ONLY "public" . "entry"`: "entry", "MERGE INTO entry USING x ON true": "entry",
		"TRUNCATE TABLE ONLY entry": "entry", "TRUNCATE entry": "entry", "COPY entry FROM STDIN": "entry",
		"TRUNCATE entry, note": "entry note", "TRUNCATE TABLE note , ONLY (entry), public.third": "note entry third",
		"WITH a AS (DELETE FROM entry RETURNING id) SELECT 1": "entry",
		"COPY (DELETE FROM entry RETURNING id) TO STDOUT":     "entry",
		"SELECT 1 FROM entry FOR UPDATE":                      "", "SELECT 1 FROM entry FOR NO KEY UPDATE OF entry": "",
		"INSERT INTO other VALUES (1) ON CONFLICT DO UPDATE SET a = 1": "other",
		"SELECT 1 /* UPDATE entry */ -- DELETE FROM entry":             "",
	} {
		if got := strings.Join(written(sql), " "); got != want {
			t.Errorf("%q writes %q, want %q", sql, got, want)
		}
	}
}

// Comments, case and brackets before a statement do not hide it, nor a call in it.
func TestLooksLikeSQL(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"select ledger_post($1)": true, "-- a.b\nSELECT ledger_post ($1)": true, "/* x */ Select \"ledger_post\"($1)": true,
		"(SELECT Ledger_Post/* x */($1))": true, "with a as (select ledger_post($1)) select 1": true,
		"select ledger_post_rows($1)": false, "select 1 -- ledger_post($1)": false, "a selection of ledger_post($1)": false,
	} {
		if got := looksLikeSQL(sql) && calls(sql, "ledger_post"); got != want {
			t.Errorf("%q is a statement that calls ledger_post: %v, want %v", sql, got, want)
		}
	}
}

// No statement takes the name of its table from a variable, where the owner test
// would not see it. None runs a text that PostgreSQL puts together.
func TestNoStatementPutsItsTableTogether(t *testing.T) {
	t.Parallel()
	for file, list := range ownTexts(t) {
		for _, text := range list {
			if unnamedTable.MatchString(uncommented(text)) {
				t.Errorf("%s does not name its table: %q", file, text)
			}
			if form := refused(text); form != "" && looksLikeSQL(text) {
				t.Errorf("%s contains %s: %q", file, form, text)
			}
		}
	}
}

// The test of tables sees each statement that leaves its table to something else.
func TestOpenStatements(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"DELETE FROM ", "DELETE FROM", "INSERT INTO %s (a)", `UPDATE "%s"`, "UPDATE ", "update only (", "DELETE FROM only ",
		"TRUNCATE TABLE ", "DELETE /* x */ FROM %v", "DO 'DELETE FROM '||'device'", `UPDATE U&"`, "COPY %v",
	} {
		if !unnamedTable.MatchString(uncommented(sql)) {
			t.Errorf("%q is not seen", sql)
		}
	}
}

// The test of tables sees each statement that runs another text or hides a name.
func TestRefused(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"DO $$ BEGIN EXECUTE 'DELETE FROM '||'device'; END $$": true, "do language plpgsql 'x'": true, "DO 'BEGIN END'": true,
		"DO/**/$x$BEGIN END$x$": true, "SELECT 1; DO E'BEGIN END'": true, "call transfer_all()": true, `CALL "a"()`: true,
		"EXECUTE a": true, "PREPARE a AS SELECT 1; execute a": true, `UPDATE U&"cred\0065ntial" SET a = 1`: true,
		"INSERT INTO a VALUES ($1, $2) ON CONFLICT DO NOTHING": false, "INSERT INTO a VALUES (1) ON CONFLICT DO UPDATE SET b = $1": false,
		"SELECT called, executed FROM a -- CALL b": false,
	} {
		if got := looksLikeSQL(sql) && refused(sql) != ""; got != want {
			t.Errorf("%q is refused: %v, want %v", sql, got, want)
		}
	}
}

// The texts of a file include what it puts together from constants, also in a function.
func TestFolded(t *testing.T) {
	t.Parallel()
	const source = `package a
const half = "DELETE FROM mes"
func f(table string) {
	const end = "sage"
	run("DELETE FROM mes" + "sage")
	run(half + (end))
	run("TRUNCATE " + table + " CASCADE")
}`
	file, err := parser.ParseFile(token.NewFileSet(), "a.go", source, parser.SkipObjectResolution)
	check.Must(t, err)
	list := folded(file, constants(file))
	for text, times := range map[string]int{"DELETE FROM message": 2, "TRUNCATE %v CASCADE": 1} {
		count := 0
		for _, got := range list {
			if got == text {
				count++
			}
		}
		if count != times {
			t.Errorf("%q was found %d times among %q, want %d", text, count, list, times)
		}
	}
}

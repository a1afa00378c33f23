package grants

import (
	"regexp"
	"slices"
	"strings"
)

// rights are privileges by object: a table, or an SQL function with brackets after its
// name.
type rights map[string]map[string]bool

func (r rights) add(object string, privileges ...string) {
	if r[object] == nil {
		r[object] = map[string]bool{}
	}
	for _, p := range privileges {
		r[object][p] = true
	}
}

func (r rights) merge(other rights) {
	for object, privileges := range other {
		for p := range privileges {
			r.add(object, p)
		}
	}
}

// schema names the tables, and the SQL functions with their source.
type schema struct {
	tables    []string
	functions map[string]string
}

const name = `(?:public\.)?"?(\w+)"?`

var (
	comment  = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/`)
	literal  = regexp.MustCompile(`'[^']*'`)
	begins   = regexp.MustCompile(`(?i)^[\s(]*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE)\b`)
	reads    = regexp.MustCompile(`(?i)\b(?:FROM|JOIN|USING)\s+(?:ONLY\s+)?` + name)
	inserts  = regexp.MustCompile(`(?i)\bINSERT\s+INTO\s+` + name)
	updates  = regexp.MustCompile(`(?i)(\w+\s+)?\bUPDATE\s+(?:ONLY\s+)?` + name)
	deletes  = regexp.MustCompile(`(?i)\bDELETE\s+FROM\s+(?:ONLY\s+)?` + name)
	locks    = regexp.MustCompile(`(?i)\bFOR\s+(?:NO\s+KEY\s+UPDATE|UPDATE|KEY\s+SHARE|SHARE)\b`)
	conflict = regexp.MustCompile(`(?i)\bON\s+CONFLICT\b`)
	replaces = regexp.MustCompile(`(?i)\bDO\s+UPDATE\b`)
	returns  = regexp.MustCompile(`(?i)\bRETURNING\b`)
)

// bare is SQL without comments and texts.
func bare(sql string) string {
	return literal.ReplaceAllString(comment.ReplaceAllString(sql, " "), "''")
}

// isStatement reports whether a text of the source begins as a statement.
func isStatement(text string) bool { return begins.MatchString(bare(text)) }

// statement returns the rights that one statement, or one function's body, needs.
func (s schema) statement(sql string) rights {
	sql = bare(sql)
	need := rights{}
	locked := locks.MatchString(sql)
	for _, found := range reads.FindAllStringSubmatch(sql, -1) {
		s.table(need, found[1], "SELECT")
		if locked {
			s.table(need, found[1], "UPDATE")
		}
	}
	for _, found := range inserts.FindAllStringSubmatch(sql, -1) {
		s.table(need, found[1], "INSERT")
		if conflict.MatchString(sql) || returns.MatchString(sql) {
			s.table(need, found[1], "SELECT")
		}
		if replaces.MatchString(sql) {
			s.table(need, found[1], "UPDATE")
		}
	}
	for _, found := range updates.FindAllStringSubmatch(sql, -1) {
		if before := strings.ToUpper(strings.TrimSpace(found[1])); before != "FOR" && before != "KEY" && before != "DO" {
			s.table(need, found[2], "SELECT", "UPDATE")
		}
	}
	for _, found := range deletes.FindAllStringSubmatch(sql, -1) {
		s.table(need, found[1], "SELECT", "DELETE")
	}
	for function := range s.functions {
		if regexp.MustCompile(`(?i)\b` + function + `"?\s*\(`).MatchString(sql) {
			need.merge(s.call(function))
		}
	}
	return need
}

func (s schema) table(need rights, table string, privileges ...string) {
	if slices.Contains(s.tables, strings.ToLower(table)) {
		need.add(strings.ToLower(table), privileges...)
	}
}

// call returns the rights that a call of an SQL function needs. A function runs with the
// rights of its caller, unless it says SECURITY DEFINER.
func (s schema) call(function string) rights {
	need := rights{}
	need.add(function+"()", "EXECUTE")
	head, body, _ := strings.Cut(s.functions[function], "$$")
	if !strings.Contains(head, "SECURITY DEFINER") {
		need.merge(s.statement(body))
	}
	return need
}

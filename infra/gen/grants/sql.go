package grants

import (
	"regexp"
	"slices"
	"strings"
)

// rights are privileges by object: a table, or an SQL function with brackets after its
// name.
type rights map[string]map[string]bool

// locking is the need of a row lock: PostgreSQL asks for UPDATE of at least one column.
const locking = "a row lock"

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
	sets     = regexp.MustCompile(`(?i)^(?:\s+(?:AS\s+)?\w+)??\s+SET\s+`)
	setsEnd  = regexp.MustCompile(`(?i)^(?:FROM|WHERE|RETURNING)\b`)
	notFrom  = regexp.MustCompile(`(?i)\bDISTINCT\s+$`)
	assigns  = regexp.MustCompile(`^\s*"?(\w+)"?\s*=`)
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
			s.table(need, found[1], locking)
		}
	}
	s.inserts(need, sql)
	for _, at := range updates.FindAllStringSubmatchIndex(sql, -1) {
		before := ""
		if at[2] >= 0 {
			before = strings.ToUpper(strings.TrimSpace(sql[at[2]:at[3]]))
		}
		if before != "FOR" && before != "KEY" && before != "DO" {
			s.table(need, sql[at[4]:at[5]], append(changes(sql[at[1]:]), "SELECT")...)
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

// inserts adds the rights of each INSERT. Its ON CONFLICT stands before the next INSERT.
func (s schema) inserts(need rights, sql string) {
	all := inserts.FindAllStringSubmatchIndex(sql, -1)
	for i, at := range all {
		table, rest := sql[at[2]:at[3]], sql[at[1]:]
		if i+1 < len(all) {
			rest = sql[at[1]:all[i+1][0]]
		}
		s.table(need, table, "INSERT")
		if conflict.MatchString(sql) || returns.MatchString(sql) {
			s.table(need, table, "SELECT")
		}
		if found := replaces.FindStringIndex(rest); found != nil {
			s.table(need, table, changes(rest[found[1]:])...)
		}
	}
}

// changes returns the right UPDATE for each column that an UPDATE assigns; the text begins
// after the table's name. If it can't read the list, it returns the right for the table.
func changes(text string) []string {
	head := sets.FindString(text)
	if head == "" {
		return []string{"UPDATE"}
	}
	var list []string
	for _, assignment := range assignments(text[len(head):]) {
		column := assigns.FindStringSubmatch(assignment)
		if column == nil {
			return []string{"UPDATE"}
		}
		list = append(list, "UPDATE ("+strings.ToLower(column[1])+")")
	}
	return list
}

// assignments splits the list after SET at its commas. Commas in brackets are part of a
// value.
func assignments(text string) []string {
	var list []string
	depth, from := 0, 0
	for i := range len(text) {
		word := i == 0 || !isWord(text[i-1])
		switch c := text[i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0:
		case c == ')' || c == ';' || word && setsEnd.MatchString(text[i:]) && !notFrom.MatchString(text[:i]):
			return append(list, text[from:i])
		case c == ',':
			list, from = append(list, text[from:i]), i+1
		}
	}
	return append(list, text[from:])
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
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

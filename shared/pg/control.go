package pg

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrControl refuses a statement that begins or ends a transaction: only this package
// does.
var ErrControl = errors.New("pg: a statement must not begin or end a transaction")

var control = []string{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE", "SAVEPOINT", "RELEASE"}

// refuseControl looks at the first word of each statement, behind its line comments. A
// statement that starts with a block comment is refused as well.
func refuseControl(statements ...string) error {
	for _, sql := range statements {
		sql = strings.TrimLeft(sql, " \t\r\n;")
		for strings.HasPrefix(sql, "--") {
			_, sql, _ = strings.Cut(sql, "\n")
			sql = strings.TrimLeft(sql, " \t\r\n;")
		}
		word := sql
		if end := strings.IndexFunc(sql, func(r rune) bool { return r < 'A' || r > 'z' }); end >= 0 {
			word = sql[:end]
		}
		if strings.HasPrefix(sql, "/*") || slices.Contains(control, strings.ToUpper(word)) {
			return ErrControl
		}
	}
	return nil
}

// guarded are a batch's answers that lend no connection.
type guarded struct{ pgx.BatchResults }

func (g guarded) Query() (pgx.Rows, error) {
	found, err := g.BatchResults.Query()
	return noConn{found}, err //nolint:wrapcheck // pgx's own
}

// noConn are rows that lend no connection: one could write.
type noConn struct{ pgx.Rows }

func (noConn) Conn() *pgx.Conn { return nil }

// guard hides the connection from a caller's function.
func guard(read func(pgx.BatchResults) error) func(pgx.BatchResults) error {
	if read == nil {
		return nil
	}
	return func(answers pgx.BatchResults) error { return read(guarded{answers}) }
}

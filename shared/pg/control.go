package pg

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrControl refuses a statement that begins or ends a transaction. Only this package
// begins and ends transactions.
var ErrControl = errors.New("pg: a statement must not begin or end a transaction")

var control = []string{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE", "SAVEPOINT", "RELEASE"}

// refuseControl checks the first word of each statement after its line comments. It
// also refuses a statement that starts with a block comment.
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

// guarded wraps a batch's answers. Its rows hide their connection.
type guarded struct{ pgx.BatchResults }

func (g guarded) Query() (pgx.Rows, error) {
	found, err := g.BatchResults.Query()
	return noConn{found}, err //nolint:wrapcheck // the error is pgx's
}

// noConn hides the connection of rows, because a caller could write through it.
type noConn struct{ pgx.Rows }

func (noConn) Conn() *pgx.Conn { return nil }

// guard hides the connection from a caller's function.
func guard(read func(pgx.BatchResults) error) func(pgx.BatchResults) error {
	if read == nil {
		return nil
	}
	return func(answers pgx.BatchResults) error { return read(guarded{answers}) }
}

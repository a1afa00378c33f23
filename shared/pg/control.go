package pg

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrControl refuses a statement that could begin or end a transaction, and an argument
// that changes how pgx sends a statement. Only this package does these things.
var ErrControl = errors.New("pg: a statement must not control its transaction or its connection")

// control holds the first words of the statements that begin or end a transaction.
// DO and CALL run code that can end it. PostgreSQL lets no function end it.
var control = []string{
	"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE", "SAVEPOINT", "RELEASE", "DO", "CALL",
}

// refuse checks a statement and its arguments. All statements go by the extended
// protocol, so PostgreSQL refuses text that holds several statements.
func refuse(sql string, args []any) error {
	if len(args) > 0 { // pgx stops at the first argument that is not one of its options
		switch args[0].(type) {
		case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID, pgx.QueryRewriter:
			return ErrControl
		}
	}
	return refuseControl(sql)
}

// refuseBatch checks each query of a batch.
func refuseBatch(batch *pgx.Batch) error {
	for _, query := range batch.QueuedQueries {
		if err := refuse(query.SQL, query.Arguments); err != nil {
			return err
		}
	}
	return nil
}

// refuseControl checks the first word after blanks, semicolons, brackets and line
// comments. It also refuses a statement that starts with a block comment.
func refuseControl(sql string) error {
	const blank = " \t\r\n\f\v;("
	sql = strings.TrimLeft(sql, blank)
	for strings.HasPrefix(sql, "--") {
		end := strings.IndexAny(sql, "\r\n") // PostgreSQL ends a line at either
		if end < 0 {
			return nil
		}
		sql = strings.TrimLeft(sql[end:], blank)
	}
	word := sql
	if end := strings.IndexFunc(sql, func(r rune) bool { return r < 'A' || r > 'z' }); end >= 0 {
		word = sql[:end]
	}
	if strings.HasPrefix(sql, "/*") || slices.Contains(control, strings.ToUpper(word)) {
		return ErrControl
	}
	return nil
}

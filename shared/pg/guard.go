package pg

import "github.com/jackc/pgx/v5"

// guarded wraps a batch's answers. Its rows hide their connection.
type guarded struct{ pgx.BatchResults }

func (g guarded) Query() (pgx.Rows, error) {
	found, err := g.BatchResults.Query()
	return noConn{found}, err //nolint:wrapcheck // the error is pgx's
}

func (g guarded) QueryRow() pgx.Row { return noConnRow{g.BatchResults.QueryRow()} }

// noConn hides the connection of rows, because a caller could write through it.
type noConn struct{ pgx.Rows }

func (noConn) Conn() *pgx.Conn { return nil }

func (r noConn) Scan(dest ...any) error {
	return r.Rows.Scan(hide(dest)...) //nolint:wrapcheck // the error is pgx's
}

// noConnRow hides the connection of one row.
type noConnRow struct{ pgx.Row }

func (r noConnRow) Scan(dest ...any) error {
	return r.Row.Scan(hide(dest)...) //nolint:wrapcheck // the error is pgx's
}

// hide wraps the destination that pgx would give the rows themselves.
func hide(dest []any) []any {
	if len(dest) == 1 {
		if scanner, ok := dest[0].(pgx.RowScanner); ok {
			return []any{noConnScanner{scanner}}
		}
	}
	return dest
}

// noConnScanner gives its scanner rows that hide their connection.
type noConnScanner struct{ pgx.RowScanner }

func (s noConnScanner) ScanRow(found pgx.Rows) error {
	return s.RowScanner.ScanRow(noConn{found}) //nolint:wrapcheck // the error is the scanner's
}

// guard hides the connection from a caller's function.
func guard(read func(pgx.BatchResults) error) func(pgx.BatchResults) error {
	if read == nil {
		return nil
	}
	return func(answers pgx.BatchResults) error { return read(guarded{answers}) }
}

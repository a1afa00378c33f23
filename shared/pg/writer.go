package pg

import (
	"context"
)

// Writer takes a statement that a package adds to somebody else's transaction. It
// is a Unit, which runs its statements when it commits, or a transaction of InTx,
// which runs each statement at once.
type Writer interface {
	Write(ctx context.Context, s Statement) error
}

// Write adds the statement; it never fails.
func (u *Unit) Write(_ context.Context, s Statement) error {
	u.Add(s)
	return nil
}

// WriterOf returns the Writer of a transaction. It sends the statements' NOTIFYs
// only if InTx handed out the transaction.
func WriterOf(tx Tx) Writer {
	if w, ok := tx.(*openTx); ok {
		return w
	}
	return &openTx{Tx: tx}
}

// Write runs the statement and reads its row.
func (tx *openTx) Write(ctx context.Context, s Statement) error {
	sql, args := step{s}.text()
	var err error
	if s.Scan != nil {
		err = s.Scan(tx.QueryRow(ctx, sql, args...))
	} else {
		_, err = tx.Exec(ctx, sql, args...)
	}
	if err != nil {
		return step{s}.refusal(err)
	}
	if s.Notify != "" {
		tx.notify = append(tx.notify, s.Notify)
	}
	return nil
}

package pg

import "context"

// Writer takes a statement for a transaction that the caller owns. A Unit runs its
// statements when it commits; a Tx runs each statement at once.
type Writer interface {
	Write(ctx context.Context, s Statement) error
}

// Write adds the statement; it never fails.
func (u *Unit) Write(_ context.Context, s Statement) error {
	u.Add(s)
	return nil
}

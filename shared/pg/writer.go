package pg

import "context"

// Writer takes a statement that a package adds to somebody else's transaction. It
// is a Unit, which runs its statements when it commits, or a Tx, which runs each
// statement at once.
type Writer interface {
	Write(ctx context.Context, s Statement) error
}

// Write adds the statement; it never fails.
func (u *Unit) Write(_ context.Context, s Statement) error {
	u.Add(s)
	return nil
}

package pgtest

import "testing"

// Prepares fails the test for each statement that a migrated database can't prepare.
func Prepares(t *testing.T, statements ...string) {
	t.Helper()
	conn, err := New(t).Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, sql := range statements {
		if _, err := conn.Conn().Prepare(t.Context(), sql, sql); err != nil {
			t.Errorf("%s\n%v", sql, err)
		}
	}
}

package pgserver

import "testing"

// As text, 9 would be newer than 15.
func TestVersionsCompareAsNumbers(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		"/usr/lib/postgresql/9/bin/postgres":    9,
		"/usr/lib/postgresql/15/bin/postgres":   15,
		"/usr/lib/postgresql/9.6/bin/postgres":  0, // older than any that will do
		"/usr/lib/postgresql/next/bin/postgres": 0,
	} {
		if got := version(path); got != want {
			t.Errorf("version(%s) = %d, want %d", path, got, want)
		}
	}
}

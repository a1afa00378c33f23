// Package keytest gives a test keys of its own.
package keytest

import (
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
)

// New is a ring of fresh keys for every purpose.
func New(t check.Failer) *keys.Ring {
	t.Helper()
	ring, err := keys.NewTestRing()
	check.Must(t, err)
	return ring
}

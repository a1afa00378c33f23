// Package functest finds the bank's functions by name for tests. It is apart from
// test/bank, because it links every function.
package functest

import (
	"testing"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/fn"
)

// Named returns a function of the registry. It ends the test if there is no such
// function.
func Named(t testing.TB, name string) fn.Function {
	t.Helper()
	for _, f := range functions.All() {
		if f.Spec.Name == name {
			return f
		}
	}
	t.Fatalf("there is no function %s", name)
	return fn.Function{}
}

// Notifiers returns the functions that send text messages.
func Notifiers(t testing.TB) []fn.Function {
	t.Helper()
	return []fn.Function{
		Named(t, "notify-on-device"), Named(t, "notify-on-otp"), Named(t, "notify-on-password"), Named(t, "notify-on-phone"),
		Named(t, "notify-on-transfer"),
	}
}

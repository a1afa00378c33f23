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

// All returns functions of the registry by their names.
func All(t testing.TB, names ...string) []fn.Function {
	t.Helper()
	list := make([]fn.Function, len(names))
	for i, name := range names {
		list[i] = Named(t, name)
	}
	return list
}

// Package functions lists every function of the bank, for the local bank, tests
// and generators. A function's own binary imports that function alone.
package functions

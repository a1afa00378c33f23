// Package functions lists every function of the bank, for the local bank, tests and
// generators. The binary of one function imports only that function.
package functions

// Package trace follows a customer's request through every process that it reaches.
package trace

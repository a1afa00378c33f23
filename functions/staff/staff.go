// Package staff holds what the functions for the bank's staff share.
//
// The console calls these functions inside the bank's network only. A session of the staff is of
// another kind than a customer's: the runtime refuses each in the other's functions.
//
// Source: SESSION-002, PWD-010, PWD-014.
package staff

import (
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/staff"
)

// SetTimeout is the time-out of a call that sets a password: it compares the password with as many
// as a member's history has.
const SetTimeout = 15 * time.Second

// Reason joins, for the access record, what was wrong with a guess, and what the bank found.
func Reason(a *staff.Attempt, wrong string) string {
	var parts []string
	if wrong != "" {
		parts = append(parts, wrong)
	}
	if a.Damaged {
		parts = append(parts, "password damaged")
	}
	if wrong != "" && a.Verdict == staff.Last {
		parts = append(parts, "now locked")
	}
	return strings.Join(parts, ", ")
}

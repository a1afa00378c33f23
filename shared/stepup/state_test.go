package stepup

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/pgtest"
)

// The states in code are those that the table's CHECK allows.
func TestStatesOfTheTable(t *testing.T) {
	t.Parallel()
	var check string
	err := pgtest.New(t).Pool().QueryRow(t.Context(),
		"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'intent_state'").Scan(&check)
	if err != nil {
		t.Fatal(err)
	}
	var allowed []state
	for _, m := range regexp.MustCompile(`'([a-z]+)'`).FindAllStringSubmatch(check, -1) {
		allowed = append(allowed, state(m[1]))
	}
	slices.Sort(allowed)
	if diff := cmp.Diff([]state{stateCancelled, stateConsumed, stateOpen}, allowed); diff != "" {
		t.Errorf("states (-code +CHECK):\n%s", diff)
	}
}

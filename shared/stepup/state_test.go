package stepup

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// The states in code are those that the table's CHECK allows.
func TestStatesOfTheTable(t *testing.T) {
	t.Parallel()
	constraint := check.Value[string](t, pgtest.New(t).Pool(),
		"SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'intent_state'")
	var allowed []state
	for _, m := range regexp.MustCompile(`'([a-z]+)'`).FindAllStringSubmatch(constraint, -1) {
		allowed = append(allowed, state(m[1]))
	}
	slices.Sort(allowed)
	if diff := cmp.Diff([]state{stateCancelled, stateConsumed, stateOpen}, allowed); diff != "" {
		t.Errorf("states (-code +CHECK):\n%s", diff)
	}
}

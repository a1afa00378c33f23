package option_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/option"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// Each option has texts of its own, and the table takes its name.
func TestOptionsAreWhole(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	one, other := pgtest.Customers(t, db)
	var digests []string
	for _, o := range option.All() {
		found, ok := option.Find(o.Name)
		if !ok || found != o || o.Title == "" || o.Warning == "" || slices.Contains(digests, string(o.Digest())) {
			t.Errorf("%+v", o)
		}
		digests = append(digests, string(o.Digest()))
		if !o.Acknowledged(o.Digest()) || o.Acknowledged(nil) || o.Acknowledged(check.Flip(o.Digest(), 0)) {
			t.Errorf("%s: another digest acknowledges it", o.Name)
		}
		for i, on := range []bool{true, false, true} {
			pgtest.Commit(t, db, func(u *pg.Unit) error {
				at := noon.Add(time.Duration(i))
				return option.SwitchOption(u, option.Change{Customer: one, Option: o, On: on, DeviceID: "phone", At: at})
			})
		}
		for customer, want := range map[uuid.UUID]bool{one: true, other: false} {
			states, err := option.ListOptions(t.Context(), db.Reader(), customer)
			if err != nil || states[o.Name].On != want {
				t.Errorf("%s: %+v, %v", o.Name, states, err)
			}
		}
	}
	if _, ok := option.Find("none"); ok {
		t.Error("there is an option none")
	}
	pgtest.Commit(t, db, func(u *pg.Unit) error { return option.Forget(t.Context(), u, one) })
	if n := check.Count(t, db.Pool(), "SELECT count(*) FROM option_change"); n != 0 {
		t.Errorf("%d changes are left", n)
	}
}

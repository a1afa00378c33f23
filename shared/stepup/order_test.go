package stepup_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// No row puts the phone shield's caps above those of the soft UKey of the counter, at any time: not
// a higher cap of the one, nor a lower cap of the other, now or later, whichever row comes first.
func TestThePhoneShieldIsBelowTheNextStrongerMethod(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-019.3")
	db := pgtest.New(t)
	const most = stepup.CapSoftUKey
	add := func(method stepup.Factor, transfer, day int64, from string) error {
		_, err := db.Pool().Exec(t.Context(), `
INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by) VALUES ($1, $2, $3, $4, 'one', 'other')`,
			method, transfer, day, from)
		return err
	}
	refused := func(why string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "CAP_ABOVE_STRONGER") {
			t.Errorf("%s: %v", why, err)
		}
	}
	refused("a transfer above", add(stepup.PhoneShield, int64(most)+1, int64(most), "2027-01-01"))
	refused("a day above", add(stepup.PhoneShield, int64(most), int64(most)+1, "2027-01-01"))
	check.Must(t, add(stepup.PhoneShield, int64(most), int64(most), "2027-01-01"))
	refused("the stronger one below, later", add(stepup.SoftUKeyCounter, int64(most)-1, int64(most), "2027-02-01"))
	refused("the stronger one below, before", add(stepup.SoftUKeyCounter, int64(most), int64(most)-1, "2026-12-01"))
	check.Must(t, add(stepup.PhoneShield, 1, 1, "2027-03-01"))
	check.Must(t, add(stepup.SoftUKeyCounter, 1, 1, "2027-04-01"))
	refused("above the lowered one", add(stepup.PhoneShield, 2, 2, "2027-05-01"))
	check.Must(t, add(stepup.SMSOTP, 1, 1, "2027-05-01")) // no other method counts
	if n := check.Count(t, db.Pool(), fmt.Sprintf("SELECT count(*) FROM stepup_cap WHERE method = '%s'", stepup.PhoneShield)); n != 3 {
		t.Errorf("%d rows are stored", n)
	}
}

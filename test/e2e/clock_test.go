package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/local"
)

// An app engineer sees, without waiting, the end of a code's pause, of a login, of the
// first day of a device's key, and of a day's limit at midnight in Shanghai. The app's own
// clock stays behind, and the client corrects it. The bank's clock survives a restart.
func TestTheClockOfTheSandbox(t *testing.T) {
	t.Parallel()
	b := local.New(t)
	b.OwnRedis = true
	instance := b.Start(t)
	advance(t, instance, untilTen(t, instance)) // so midnight comes when the test wants it
	payer, payee := b.Customer(t, instance), b.Customer(t, instance)
	accounts := overview(t, payer)
	own := client.TransferPrepareRequest{
		DebitAccountID: accounts[0].AccountID, PayeeAccountID: &accounts[1].AccountID, Amount: 10_000_00,
	}
	order := client.TransferPrepareRequest{
		DebitAccountID: own.DebitAccountID, PayeeAccountNo: payee.Person.CardNo, PayeeName: payee.Person.Name, Amount: 1_00,
	}
	pay(t, payer, order)
	in, err := payer.TransferPrepare(t.Context(), order)
	check.Must(t, err)
	wantRefused(t, payer.SendIntentOTP(t.Context(), in.IntentID), "OTP_TOO_OFTEN")
	advance(t, instance, time.Minute)
	_, err = payer.IntentCode(t.Context(), in)
	check.Must(t, err)
	in, err = payer.TransferPrepare(t.Context(), own)
	check.Must(t, err)
	if slices.Contains(in.Combinations, "device_key") {
		t.Errorf("a key of today confirms %v: %q", own.Amount, in.Combinations)
	}

	nextDay(t, payer, instance, 24*time.Hour)
	for range 5 {
		pay(t, payer, own)
	}
	_, err = payer.TransferPrepare(t.Context(), own)
	wantRefused(t, err, "LIMIT_EXCEEDED")
	nextDay(t, payer, instance, 14*time.Hour)
	made := pay(t, payer, own)
	shown, err := instance.Dev().Clock(t.Context())
	check.Must(t, err)
	if late := shown.Now.Sub(made.PostedAt); late < -time.Second || late > time.Minute {
		t.Errorf("the transfer of just now is dated %v; the bank's time is %v", made.PostedAt, shown.Now)
	}

	b.Stop(t, instance)
	again, err := b.Start(t).Dev().Clock(t.Context())
	check.Must(t, err)
	if again.Ahead != shown.Ahead || again.Now.Before(shown.Now) {
		t.Errorf("after a restart %+v, before it %+v", again, shown)
	}
}

// nextDay moves the bank's clock. The login ends meanwhile, and the customer logs in again.
func nextDay(t *testing.T, app *local.App, i *local.Instance, by time.Duration) {
	t.Helper()
	advance(t, i, by)
	_, err := app.AccountOverview(t.Context())
	wantRefused(t, err, "SESSION_REQUIRED")
	check.Must(t, app.Login(t.Context()))
}

// untilTen is the time until ten in the morning in Shanghai.
func untilTen(t *testing.T, i *local.Instance) time.Duration {
	t.Helper()
	c, err := i.Dev().Clock(t.Context())
	check.Must(t, err)
	if c.Ahead != "0s" || time.Since(c.Now).Abs() > time.Minute {
		t.Fatalf("a new bank's clock shows %+v", c)
	}
	return clock.UntilNextDay(c.Now) + 10*time.Hour
}

// advance moves the bank's clock.
func advance(t *testing.T, i *local.Instance, by time.Duration) {
	t.Helper()
	before, err := i.Dev().Clock(t.Context())
	check.Must(t, err)
	after, err := i.Dev().Advance(t.Context(), by)
	check.Must(t, err)
	if moved := after.Now.Sub(before.Now) - by; moved < -time.Second || moved > time.Minute {
		t.Fatalf("from %v to %v", before.Now, after.Now)
	}
}

func wantRefused(t *testing.T, err error, code string) {
	t.Helper()
	if !refused(err, code) {
		t.Fatalf("%v, want %s", err, code)
	}
}

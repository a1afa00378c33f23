package logout_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	identitylogout "github.com/tidebank/tidebank/functions/identity/logout"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func wantSession(t *testing.T, d *bank.Device, code string) {
	t.Helper()
	d.Call(t, identityme.Function, "", struct{}{}).Want(t, code)
}

// prepared prepares a transfer between the payer's own accounts and signs it.
func prepared(t *testing.T, p bank.Pair) stepup.Confirmation {
	t.Helper()
	in := p.Prepare(t, p.ToOwn(1_00))
	return stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{p.Signed(t, in)}}
}

func TestLogoutEndsTheSessionEverywhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-006.1")
	p := bank.NewPair(t, 100_00)
	other := p.Device(t, "phone-of-li")
	other.LoginAs(t, p.Payee)
	rate := session.Rate{Class: "default", Limit: 100, Per: time.Minute}
	// Another instance has admitted a call of the session.
	elsewhere, err := session.New(p.Host.Redis, p.Host.Keys, p.Clock, session.Config{ChannelLife: time.Hour, Idle: time.Minute})
	check.Must(t, err)
	admit := func() (session.Admitted, error) {
		return elsewhere.Admit(t.Context(), session.Frame{Channel: p.Phone.Channel, Sequence: p.Phone.Sequence.Add(1)}, rate)
	}
	if got, err := admit(); err != nil || got.Login == nil {
		t.Fatalf("before: %+v, %v", got, err)
	}
	reply := p.Phone.Call(t, identitylogout.Function, "", struct{}{})
	if reply.Want(t, ""); string(reply.Body) != `{"logged_out":true}` {
		t.Errorf("got %s", reply.Body)
	}
	if got, err := admit(); err != nil || got.Login != nil {
		t.Errorf("another instance still lets the caller in: %+v, %v", got, err)
	}
	wantSession(t, p.Phone, "SESSION_REQUIRED") // the channel is open still
	p.Phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	wantSession(t, other, "")
	for _, key := range p.Redis.Keys() {
		if strings.HasSuffix(key, ":login") && strings.Contains(key, hex.EncodeToString(p.Phone.Channel[:])) {
			t.Errorf("%s is left of the session", key)
		}
	}
}

func TestLogoutEndsWhatWasHalfDone(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-006.3")
	p := bank.NewPair(t, 100_00)
	other := bank.Pair{Bank: p.Bank, Phone: p.Device(t, "phone-of-wu"), Payer: p.Customer(t, "王五", 100_00, 0)}
	other.Phone.LoginAs(t, other.Payer)
	mine, theirs := prepared(t, p), prepared(t, other)
	done := prepared(t, p)
	first := p.Phone.Call(t, transferconfirm.Function, "done before", done)
	first.Want(t, "")
	p.Phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "")
	p.Phone.LoginAs(t, p.Payer)
	p.Confirm(t, mine).Want(t, "INTENT_EXPIRED")
	again := p.Phone.Call(t, transferconfirm.Function, "done before", done)
	if again.Want(t, ""); string(again.Body) != string(first.Body) {
		t.Errorf("the repeated confirmation answers %s", again.Body)
	}
	other.Confirm(t, theirs).Want(t, "")
}

func TestNothingIsTakenFromTheRequest(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_00)
	p.Phone.Call(t, identitylogout.Function, "", map[string]any{"customer_id": "x"}).Want(t, "INPUT_INVALID")
	wantSession(t, p.Phone, "")
}

// With the database down the session still ends, and the caller learns that the
// rest is not done.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	phone := b.Device(t, "phone-of-wang")
	check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, uuid.New()))
	phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
	phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
}

func TestRedisDown(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_00)
	p.Redis.SetError("down")
	p.Phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
	p.Redis.SetError("")
	wantSession(t, p.Phone, "")
}

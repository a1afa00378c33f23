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
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func newPhone(t *testing.T) (*bank.Bank, *bank.Device, seed.Customer) {
	t.Helper()
	b := bank.New(t)
	phone, customer := b.Device(t, "phone-of-wang"), b.Customer(t, "王小明", 100_00, 0)
	phone.LoginAs(t, customer)
	return b, phone, customer
}

func wantSession(t *testing.T, d *bank.Device, code string) {
	t.Helper()
	d.Call(t, identityme.Function, "", struct{}{}).Want(t, code)
}

func prepared(t *testing.T, d *bank.Device, c seed.Customer) stepup.Confirmation {
	t.Helper()
	var in transferprepare.Response
	d.Call(t, transferprepare.Function, "", map[string]any{
		"debit_account_id": c.AccountIDs[0], "payee_account_id": c.AccountIDs[1], "amount_fen": 1_00,
	}).Into(t, &in)
	signature, err := sm.Sign(d.Key, []byte(in.Text))
	if err != nil {
		t.Fatal(err)
	}
	return stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
		{Factor: stepup.DeviceKey, Signature: signature},
	}}
}

func TestLogoutEndsTheSessionEverywhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-006.1")
	b, phone, _ := newPhone(t)
	other := b.Device(t, "phone-of-li")
	other.LoginAs(t, b.Customer(t, "李四", 0))
	rate := session.Rate{Class: "default", Limit: 100, Per: time.Minute}
	elsewhere, err := session.New(b.Host.Redis, b.Host.Keys, b.Clock, session.Config{ // another instance, which has seen it
		ChannelLife: time.Hour, Idle: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := elsewhere.Admit(t.Context(), phone.Channel, phone.Sequence.Add(1), rate); err != nil || got.Login == nil {
		t.Fatalf("before: %+v, %v", got, err)
	}
	reply := phone.Call(t, identitylogout.Function, "", struct{}{})
	if reply.Want(t, ""); string(reply.Body) != `{"logged_out":true}` {
		t.Errorf("got %s", reply.Body)
	}
	if got, err := elsewhere.Admit(t.Context(), phone.Channel, phone.Sequence.Add(1), rate); err != nil || got.Login != nil {
		t.Errorf("another instance still lets the caller in: %+v, %v", got, err)
	}
	wantSession(t, phone, "SESSION_REQUIRED") // the channel is open still
	phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	wantSession(t, other, "")
	for _, key := range b.Redis.Keys() {
		if strings.HasSuffix(key, ":login") && strings.Contains(key, hex.EncodeToString(phone.Channel[:])) {
			t.Errorf("%s is left of the session", key)
		}
	}
}

func TestLogoutEndsWhatWasHalfDone(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-006.3")
	b, phone, wang := newPhone(t)
	other, li := b.Device(t, "phone-of-li"), b.Customer(t, "李四", 100_00, 0)
	other.LoginAs(t, li)
	mine, theirs := prepared(t, phone, wang), prepared(t, other, li)
	done := prepared(t, phone, wang)
	first := phone.Call(t, transferconfirm.Function, "done before", done)
	first.Want(t, "")
	phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "")
	phone.LoginAs(t, wang)
	phone.Call(t, transferconfirm.Function, uuid.NewString(), mine).Want(t, "INTENT_EXPIRED")
	again := phone.Call(t, transferconfirm.Function, "done before", done)
	if again.Want(t, ""); string(again.Body) != string(first.Body) {
		t.Errorf("what was done is now %s", again.Body)
	}
	other.Call(t, transferconfirm.Function, uuid.NewString(), theirs).Want(t, "")
}

func TestNothingIsTakenFromTheRequest(t *testing.T) {
	t.Parallel()
	_, phone, _ := newPhone(t)
	phone.Call(t, identitylogout.Function, "", map[string]any{"customer_id": "x"}).Want(t, "INPUT_INVALID")
	wantSession(t, phone, "")
}

// With the database down the session still ends, and the caller learns that the
// rest is not done.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	phone := b.Device(t, "phone-of-wang")
	if err := b.Host.Sessions.Start(t.Context(), phone.Channel, uuid.New()); err != nil {
		t.Fatal(err)
	}
	phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
	phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
}

func TestRedisDown(t *testing.T) {
	t.Parallel()
	b, phone, _ := newPhone(t)
	b.Redis.SetError("down")
	phone.Call(t, identitylogout.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
	b.Redis.SetError("")
	wantSession(t, phone, "")
}

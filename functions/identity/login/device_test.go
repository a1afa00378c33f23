package login_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// bound is the key that the device has bound; nil if there is none.
func (w fixture) bound(t *testing.T, d *bank.Device) []byte {
	t.Helper()
	keys := check.Column[[]byte](t, w.Host.DB.Pool(),
		"SELECT public_key FROM device WHERE customer_id = $1 AND device_id = $2", w.wang.ID, d.ID)
	if len(keys) == 0 {
		return nil
	}
	return keys[0]
}

// proving is a good login in which the device proves a key, without a step-up.
func (w fixture) proving(t *testing.T, d *bank.Device) identitylogin.Request {
	t.Helper()
	return w.right(t, d)
}

func (w fixture) logIn(t *testing.T, d *bank.Device, r identitylogin.Request) (got identitylogin.Response) {
	t.Helper()
	d.Call(t, identitylogin.Function, "", r).Into(t, &got)
	return got
}

// anotherKey is the same device with a fresh key, as a thief would have it.
func (w fixture) anotherKey(t *testing.T, d *bank.Device) *bank.Device {
	t.Helper()
	return w.Device(t, d.ID)
}

// Password and code alone bind no key and replace none: the login is good, and its
// reply says that the key is not bound.
func TestNoKeyIsBoundWithoutAStepUp(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	if got := w.logIn(t, w.phone, w.proving(t, w.phone)); got.DeviceBound || w.bound(t, w.phone) != nil {
		t.Errorf("a first key is bound: %+v", got)
	}
	w.want(t, w.phone, w.phone.LogInBinding(t, w.wang, w.ask(t, w.phone)), "")
	own := w.phone.PublicKey(t)
	thief := w.anotherKey(t, w.phone)
	if got := w.logIn(t, thief, w.proving(t, thief)); got.DeviceBound || !bytes.Equal(w.bound(t, w.phone), own) {
		t.Errorf("a bound key is replaced: %+v", got)
	}
	if told := bank.Told[events.IdentityDeviceBound](t, w.Bank, events.TypeIdentityDeviceBound); len(told) != 1 {
		t.Errorf("told of %+v", told)
	}
}

// A new key is bound by trade password and card, and replaced by these or by the old
// key. The customer is told, and open intents end.
func TestAStepUpBindsAKey(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	intent := func() {
		w.Exec(t, `
INSERT INTO intent (id, customer_id, device_id, operation, payload_ct, text_ct, digest, combinations, state, created_at, expires_at)
VALUES ($1, $2, 'd', 'transfer-confirm', '', '', '', '{}', 'open', now(), now())`, uuid.New(), w.wang.ID)
	}
	intent()
	if got := w.logIn(t, w.phone, w.phone.LogInBinding(t, w.wang, w.ask(t, w.phone))); !got.DeviceBound {
		t.Errorf("%+v", got)
	}
	byOld := w.anotherKey(t, w.phone)
	r := w.proving(t, byOld)
	r.OldKeySignature = w.phone.Sign(t, string(device.Text(byOld.Channel, byOld.ID, byOld.PublicKey(t))))
	intent()
	if got := w.logIn(t, byOld, r); !got.DeviceBound || !got.LastVerified {
		t.Errorf("%+v", got)
	}
	byCard := w.anotherKey(t, w.phone)
	if got := w.logIn(t, byCard, byCard.LogInBinding(t, w.wang, w.ask(t, byCard))); !got.DeviceBound {
		t.Errorf("%+v", got)
	}
	if !bytes.Equal(w.bound(t, w.phone), byCard.PublicKey(t)) {
		t.Error("the last key is not bound")
	}
	if n := w.Count(t, "SELECT count(*) FROM intent WHERE state = 'open'"); n != 0 {
		t.Errorf("%d intents are still open", n)
	}
	var told []bool
	for _, e := range bank.Told[events.IdentityDeviceBound](t, w.Bank, events.TypeIdentityDeviceBound) {
		told = append(told, e.Replaced)
	}
	if diff := cmp.Diff([]bool{false, true, true}, told); diff != "" {
		t.Errorf("told of replacements (-want +got):\n%s", diff)
	}
	// The same key again is proved, not bound: its age stays.
	before := check.Value[time.Time](t, w.Host.DB.Pool(), "SELECT bound_at FROM device")
	w.Advance(time.Minute)
	if got := w.logIn(t, byCard, w.proving(t, byCard)); !got.DeviceBound || !got.LastVerified {
		t.Errorf("%+v", got)
	}
	if after := check.Value[time.Time](t, w.Host.DB.Pool(), "SELECT bound_at FROM device"); !after.Equal(before) {
		t.Errorf("bound at %v, before %v", after, before)
	}
}

// A wrong step-up fails the login, counts as a failure, and binds nothing.
func TestAWrongStepUpFails(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	li := w.customer(t, "李四")
	w.want(t, w.phone, w.phone.LogInBinding(t, w.wang, w.ask(t, w.phone)), "")
	own := w.phone.PublicKey(t)
	for name, change := range map[string]func(thief *bank.Device, r *identitylogin.Request){
		"wrong trade password": func(d *bank.Device, r *identitylogin.Request) { r.TradePassword = d.Password(t, "480275") },
		"no such card":         func(_ *bank.Device, r *identitylogin.Request) { r.CardNo = "6228480099999999999" },
		"another's card":       func(_ *bank.Device, r *identitylogin.Request) { r.CardNo = li.Accounts[0].No },
		"signed by the new key": func(d *bank.Device, r *identitylogin.Request) {
			r.TradePassword, r.CardNo, r.OldKeySignature = nil, "", d.Possession(t)
		},
		"signed for another channel": func(_ *bank.Device, r *identitylogin.Request) {
			r.TradePassword, r.CardNo, r.OldKeySignature = nil, "", w.phone.Possession(t)
		},
	} {
		w.ForgetAttempts(t)
		thief := w.anotherKey(t, w.phone)
		r := thief.LogInBinding(t, w.wang, w.ask(t, thief))
		change(thief, &r)
		if got := thief.Call(t, identitylogin.Function, "", r); got.Code != "LOGIN_FAILED" {
			t.Errorf("%s: %q, want LOGIN_FAILED", name, got.Code)
		}
		wantSession(t, thief, "SESSION_REQUIRED")
		w.wantAttempts(t, attempts{Failures: 1, Day: 1})
	}
	w.ForgetAttempts(t)
	w.Exec(t, "UPDATE credential SET trade_locked_until = $1", w.Clock.Now().Add(time.Minute))
	thief := w.anotherKey(t, w.phone)
	w.want(t, thief, thief.LogInBinding(t, w.wang, w.ask(t, thief)), "LOGIN_FAILED")
	if !bytes.Equal(w.bound(t, w.phone), own) {
		t.Error("the key was replaced")
	}
}

// A device must have the key that it brings, on this channel.
func TestAKeyMustBeProved(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	tablet := w.Device(t, "tablet-of-wang")
	other, err := sm.GenerateKey()
	check.Must(t, err)
	public, err := other.Public().Marshal()
	check.Must(t, err)
	for name, change := range map[string]func(r *identitylogin.Request){
		"no signature":               func(r *identitylogin.Request) { r.DeviceSignature = nil },
		"another's key":              func(r *identitylogin.Request) { r.DevicePublicKey = public },
		"signed for another channel": func(r *identitylogin.Request) { r.DeviceSignature = tablet.Possession(t) },
	} {
		r := w.phone.LogInBinding(t, w.wang, "123456")
		change(&r)
		got := w.phone.Call(t, identitylogin.Function, "", r)
		if got.Code != "INPUT_INVALID" || got.Problem.Field != "device_signature" {
			t.Errorf("%s: %q of %q", name, got.Code, got.Problem.Field)
		}
	}
	for field, change := range map[string]func(r *identitylogin.Request){
		"device_public_key": func(r *identitylogin.Request) { r.DevicePublicKey = nil },
		"card_no":           func(r *identitylogin.Request) { r.CardNo = "" },
		"old_key_signature": func(r *identitylogin.Request) { r.OldKeySignature = r.DeviceSignature },
	} {
		r := w.phone.LogInBinding(t, w.wang, "123456")
		change(&r)
		got := w.phone.Call(t, identitylogin.Function, "", r)
		if got.Code != "INPUT_INVALID" || got.Problem.Field != field {
			t.Errorf("%q of %q, want INPUT_INVALID of %s", got.Code, got.Problem.Field, field)
		}
	}
	if got := w.attempts(t); got != nil {
		t.Errorf("attempts were counted: %+v", got)
	}
}

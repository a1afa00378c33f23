package tokensync_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	identitytokensync "github.com/tidebank/tidebank/functions/identity/tokensync"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

type fixture struct {
	bank.Pair
	held client.Token
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 900_000_00)}
	w.held = w.Token(t)
	return w
}

func (w fixture) sync(t *testing.T, first, second string) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identitytokensync.Function, uuid.NewString(), identitytokensync.Request{Code: first, Next: second})
}

// pair are the codes that a token shows now and showed a minute ago.
func pair(made client.Token) (first, second string) {
	return bank.Ahead(made, -token.Step).Answer(""), made.Answer("")
}

func (w fixture) pays(t *testing.T, made client.Token) string {
	t.Helper()
	in := w.Prepare(t, w.ToPayee(1_00))
	return w.Confirm(t, stepup.Confirmation{
		IntentID: in.IntentID, Proofs: []stepup.Proof{w.Signed(t, in), bank.Responded(made, in.Text)},
	}).Code
}

// A clock that is up to twenty minutes off is set by two successive codes, and the token
// confirms again. A clock that is further off stays refused.
func TestTwoSuccessiveCodesSetTheClock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		off  time.Duration
		want string
	}{
		{0, ""},
		{5 * time.Minute, ""},
		{-5 * time.Minute, ""},
		{21 * time.Minute, ""},
		{-19 * time.Minute, ""},
		{22 * time.Minute, "PROOF_REJECTED"},
		{-20 * time.Minute, "PROOF_REJECTED"},
	} {
		w := newFixture(t)
		off := bank.Ahead(w.held, tt.off)
		if tt.off != 0 {
			if got := w.pays(t, off); got != "PROOF_REJECTED" {
				t.Errorf("%v off before: %q", tt.off, got)
			}
		}
		first, second := pair(off)
		if got := w.sync(t, first, second); got.Code != tt.want {
			t.Errorf("%v off: %d %q", tt.off, got.Status, got.Code)
		}
		if got := w.pays(t, off); got != tt.want {
			t.Errorf("%v off afterwards: %q", tt.off, got)
		}
	}
}

// The codes must be successive, of this token, and later than those of the last time. They
// confirm no transfer.
func TestCodesThatSetNoClock(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first, second := pair(w.held)
	stranger := w.HandOut(t, w.Payee, token.SM3)
	theirs, theirNext := pair(stranger)
	for name, codes := range map[string][2]string{
		"reversed": {second, first}, "twice the same": {first, first}, "a gap": {bank.Ahead(w.held, -2*time.Minute).Answer(""), second},
		"of another's token": {theirs, theirNext}, "half another's": {first, theirNext},
		"responses to a challenge": {bank.Ahead(w.held, -time.Minute).Answer("0001"), w.held.Answer("0001")},
	} {
		w.Exec(t, "UPDATE token SET wrong_responses = 0")
		if got := w.sync(t, codes[0], codes[1]); got.Code != "PROOF_REJECTED" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	w.sync(t, first, second).Want(t, "")
	w.sync(t, first, second).Want(t, "PROOF_REJECTED") // a pair is used once
	in := w.Prepare(t, w.ToPayee(1_00))
	w.Confirm(t, stepup.Confirmation{
		IntentID: in.IntentID, Proofs: []stepup.Proof{w.Signed(t, in), {Factor: stepup.Token, Code: second}},
	}).Want(t, "PROOF_REJECTED")
	w.Advance(time.Minute)
	first, second = pair(w.held)
	won := 0
	for _, r := range check.AtOnce(5, func(int) bank.Reply { return w.sync(t, first, second) }) {
		if r.Code == "" {
			won++
		}
	}
	if won != 1 {
		t.Errorf("of 5 with one pair %d set the clock", won)
	}
}

// Wrong pairs lock the token together with wrong responses, and a lock refuses the right
// pair. Who has no token is told so.
func TestWrongPairsLock(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 3 {
		w.sync(t, "000000", "000000").Want(t, "PROOF_REJECTED")
	}
	if got := w.pays(t, bank.Ahead(w.held, time.Hour)); got != "PROOF_REJECTED" {
		t.Errorf("a wrong response gets %q", got)
	}
	last := w.sync(t, "000000", "000000")
	if last.Want(t, "PROOF_REJECTED"); last.Problem.LockedUntil == nil || *last.Problem.TriesLeft != 0 {
		t.Errorf("locked until %v, %v tries are left", last.Problem.LockedUntil, last.Problem.TriesLeft)
	}
	first, second := pair(w.held)
	if got := w.sync(t, first, second); got.Code != "TOKEN_LOCKED" || got.Problem.LockedUntil == nil {
		t.Errorf("%d %q, locked until %v", got.Status, got.Code, got.Problem.LockedUntil)
	}
	if got := w.pays(t, w.held); got != "TOKEN_LOCKED" {
		t.Errorf("the right response gets %q", got)
	}
	w.Advance(30 * time.Minute)
	w.Phone.LoginAs(t, w.Payer)
	first, second = pair(w.held)
	w.sync(t, first, second).Want(t, "")
	other := w.Device(t, "phone-of-li")
	other.LoginAs(t, w.Payee)
	other.Call(t, identitytokensync.Function, "", map[string]any{"code": first, "next_code": second}).Want(t, "OBJECT_NOT_FOUND")
}

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identityme "github.com/tidebank/tidebank/functions/identity/me"
	identitypasswordchange "github.com/tidebank/tidebank/functions/identity/passwordchange"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// counter is an order of a teller for the customer.
func (w fixture) counter() reset {
	return reset{
		order:    order{phone: w.wang.Phone, reason: "forgotten", operator: "teller 7"},
		identity: "identity card, read by the chip reader", valid: time.Hour,
	}
}

// temporary resets the login password.
func (w fixture) temporary(t *testing.T) string {
	t.Helper()
	clear, _, err := resetPassword(t.Context(), w.Host, w.counter(), nil)
	check.Must(t, err)
	return clear
}

// A temporary password is random, and each meets the rules.
func TestTemporaryPasswordsDiffer(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-015.1")
	w := newFixture(t)
	seen := map[string]bool{}
	for range 1000 {
		clear := w.temporary(t)
		rules := password.New{Login: clear, Phone: w.wang.Phone, IDNo: w.wang.IDNo, Names: []string{w.wang.Name}}
		if err := rules.CheckLogin(); err != nil || seen[clear] {
			t.Fatalf("%q: %v, seen before: %v", clear, err, seen[clear])
		}
		seen[clear] = true
	}
}

// A temporary password logs in once, within its time, and then only a change of the password is open.
func TestATemporaryPasswordLogsInOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-015.2", "PWD-015.3", "PWD-015.4")
	w := newFixture(t)
	late := w.temporary(t)
	w.Advance(61 * time.Minute)
	w.login(t, late, "LOGIN_FAILED")
	clear := w.temporary(t)
	w.login(t, bank.LoginPassword, "LOGIN_FAILED") // the earlier one is gone
	w.login(t, late, "LOGIN_FAILED")
	w.Advance(59 * time.Minute)
	w.login(t, clear, "")
	refused := 0
	for _, f := range functions.All() {
		if f.Spec.Audience == fn.Customer && !f.Spec.DuringDuty {
			w.phone.Call(t, f, uuid.NewString(), struct{}{}).Want(t, "PASSWORD_CHANGE_REQUIRED")
			refused++
		}
	}
	if refused < 20 {
		t.Errorf("only %d functions were tried", refused)
	}
	w.login(t, clear, "LOGIN_FAILED") // the second time
	p := bank.Pair{Bank: w.Bank, Phone: w.phone, Payer: w.wang}
	in := p.PrepareChange(t, stepup.ChangeLoginPassword)
	w.phone.Call(t, identitypasswordchange.Function, uuid.NewString(), identitypasswordchange.Request{
		Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
			p.KnownLogin(t, clear), p.CodeFor(t, in.IntentID),
		}},
		LoginPassword: w.phone.Password(t, "moon-2027y"),
	}).Want(t, "")
	w.phone.Call(t, identityme.Function, "", struct{}{}).Want(t, "")
	w.login(t, clear, "LOGIN_FAILED")
	w.login(t, "moon-2027y", "")
	w.phone.Call(t, identityme.Function, "", struct{}{}).Want(t, "")
}

// A reset ends the customer's sessions and open intents, and is told to the customer and to audit, with
// the identity check.
func TestAResetRecordsTheIdentityCheck(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-021.2")
	w := newFixture(t)
	w.login(t, bank.LoginPassword, "")
	var change identitychangeprepare.Response
	w.phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.ChangeLoginPassword}).Into(t, &change)
	o := w.counter()
	o.trade, o.file = true, "-"
	if _, _, err := resetPassword(t.Context(), w.Host, o, []byte("480615")); err != nil {
		t.Fatal(err)
	}
	w.phone.Call(t, identityme.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	if n := w.Count(t, "SELECT count(*) FROM intent WHERE state = 'open'"); n != 0 {
		t.Errorf("%d intents are open", n)
	}
	told := bank.Told[events.PasswordChanged](t, w.Bank, events.TypePasswordChanged)
	if len(told) != 1 || !told[0].Reset || told[0].Which != password.TradeField {
		t.Errorf("told %+v", told)
	}
	var records []events.AccessRecorded
	for _, r := range bank.Told[events.AccessRecorded](t, w.Bank, events.TypeAccessRecorded) {
		if r.Function == resetFunction {
			records = append(records, r)
		}
	}
	const reason = "reset after an identity check (identity card, read by the chip reader) by teller 7: forgotten"
	if len(records) != 1 || records[0].Reason != reason || records[0].CustomerID != w.wang.ID.String() {
		t.Errorf("recorded %+v", records)
	}
	w.login(t, bank.LoginPassword, "") // the login password is as before
	p := bank.Pair{Bank: w.Bank, Phone: w.phone, Payer: w.wang}
	for clear, want := range map[string]string{bank.TradePassword: "PROOF_REJECTED", "480615": ""} {
		in := p.PrepareChange(t, stepup.ChangeTradePassword)
		known := stepup.Proof{Factor: stepup.TradePassword, Password: w.phone.Password(t, clear)}
		reply := w.phone.Call(t, named(t, "identity-trade-password-set"), uuid.NewString(), map[string]any{
			"intent_id": in.IntentID, "proofs": []stepup.Proof{known, p.CodeFor(t, in.IntentID)},
			"trade_password": w.phone.Password(t, "915270"),
		})
		reply.Want(t, want)
	}
}

// named is a function of the registry.
func named(t *testing.T, name string) fn.Function {
	t.Helper()
	for _, f := range functions.All() {
		if f.Spec.Name == name {
			return f
		}
	}
	t.Fatalf("there is no %s", name)
	return fn.Function{}
}

// Without an identity check there is no reset, nor to a password against the rules, nor for a customer
// who has not signed up. Nothing changes.
func TestResetsThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	before := check.Value[string](t, w.Host.DB.Pool(), "SELECT login_password || trade_password FROM credential")
	o := w.counter()
	o.trade, o.file = true, "-"
	t.Run("against the rules", func(t *testing.T) {
		req.Covers(t, "PWD-021.3")
		for _, weak := range []string{"123456", "111111", "abcdef", "12345", "", bank.TradePassword, w.wang.Phone[:6]} {
			if _, _, err := resetPassword(t.Context(), w.Host, o, []byte(weak)); !errors.Is(err, password.ErrWeak) {
				t.Errorf("%q: %v", weak, err)
			}
		}
	})
	t.Run("without an identity check", func(t *testing.T) {
		req.Covers(t, "PWD-021.2")
		none, blank, number := w.counter(), w.counter(), w.counter()
		none.identity, blank.identity, number.identity = "", " ", w.wang.IDNo
		for _, o := range []reset{none, blank, number} {
			if err := o.check(); !errors.Is(err, errIdentity) {
				t.Errorf("%q: %v", o.identity, err)
			}
		}
		var out bytes.Buffer
		c := newCommand()
		c.SetArgs([]string{"customer", "reset-password", "--phone", w.wang.Phone, "--reason", "forgotten", "--operator", "teller"})
		c.SetOut(&out)
		c.SetErr(&out)
		if err := c.Execute(); err == nil || !strings.Contains(err.Error(), "identity-check") {
			t.Errorf("%v: %s", err, &out)
		}
	})
	t.Run("for longer than an hour", func(t *testing.T) {
		req.Covers(t, "PWD-015.5")
		for _, valid := range []time.Duration{time.Hour + 1, 24 * time.Hour, 0, -time.Minute} {
			long := w.counter()
			long.valid = valid
			if err := long.check(); !errors.Is(err, password.ErrTemporaryLife) {
				t.Errorf("%s: %v", valid, err)
			}
			if _, _, err := resetPassword(t.Context(), w.Host, long, nil); !errors.Is(err, password.ErrTemporaryLife) {
				t.Errorf("%s: %v", valid, err)
			}
		}
	})
	stranger := w.counter()
	stranger.phone = w.Customer(t, "李四", 0).Phone
	if _, _, err := resetPassword(t.Context(), w.Host, stranger, nil); !errors.Is(err, errNotSignedUp) {
		t.Errorf("who has not signed up: %v", err)
	}
	alone := w.counter()
	alone.trade = true
	if err := alone.check(); !errors.Is(err, errTradeFile) {
		t.Errorf("without a file: %v", err)
	}
	after := check.Value[string](t, w.Host.DB.Pool(), "SELECT login_password || trade_password FROM credential")
	if n := len(w.Outbox(t, events.TypePasswordChanged)); after != before || n != 0 {
		t.Errorf("changed: %v, %d events", after != before, n)
	}
}

// The trade password is one line of a file or of standard input.
func TestReadPassword(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keypad")
	check.Must(t, os.WriteFile(file, []byte("480615\r\n"), 0o600))
	for name, in := range map[string]string{file: "", "-": "480615\n"} {
		if got, err := readPassword(strings.NewReader(in), name); err != nil || string(got) != "480615" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := readPassword(nil, file+"x"); err == nil {
		t.Error("a file that is not there was read")
	}
}

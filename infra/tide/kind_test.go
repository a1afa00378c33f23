package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identitypincodeset "github.com/tidebank/tidebank/functions/identity/pincodeset"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// Two persons make a customer a corporate one, and audit has both names.
func TestTwoPersonsSetTheKind(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_00)
	o := order{phone: p.Payer.Phone, reason: "signed", operator: "wang"}
	_, err := setKind(t.Context(), p.Host, o, customer.Corporate, "zhao")
	check.Must(t, err)
	if n := p.Count(t, "SELECT count(*) FROM customer WHERE kind = 'corporate' AND id = $1", p.Payer.ID); n != 1 {
		t.Error("the customer is not corporate")
	}
	if n := p.Count(t, "SELECT count(*) FROM customer WHERE kind = 'corporate'"); n != 1 {
		t.Errorf("%d customers are corporate", n)
	}
	records := bank.Told[events.AccessRecorded](t, p.Bank, events.TypeAccessRecorded)
	const reason = "made corporate, approved by zhao, by wang: signed"
	if last := records[len(records)-1]; last.Function != setKindFunction || last.Reason != reason {
		t.Errorf("the record is %+v", last)
	}
	o.phone = "13999999999"
	if _, err := setKind(t.Context(), p.Host, o, customer.Corporate, "zhao"); !errors.Is(err, errNoCustomer) {
		t.Errorf("nobody's number: %v", err)
	}
	for words, want := range map[string]string{
		"customer set-kind --phone 13800010001 --kind other --approver a --reason x --operator b":     "--kind must be",
		"customer set-kind --phone 13800010001 --kind corporate --approver a --reason x --operator a": "--approver must be",
		"customer give-pin --phone 138 --reason x --operator a":                                       "--phone is not a mobile number",
	} {
		command := newCommand()
		command.SetArgs(strings.Fields(words))
		if err := command.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

// The counter's PIN code is random, is told to nobody but the teller, and proves its change.
func TestTheCounterGivesAPINCode(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_00)
	p.Corporate(t, p.Payer)
	o := order{phone: p.Payer.Phone, reason: "signed", operator: "wang"}
	first, _, err := givePIN(t.Context(), p.Host, o)
	check.Must(t, err)
	second, trace, err := givePIN(t.Context(), p.Host, o)
	check.Must(t, err)
	if first == second || len(first) != 6 || trace == "" {
		t.Errorf("the codes are %q and %q", first, second)
	}
	change := func(present string) bank.Reply {
		in := p.PrepareChange(t, stepup.ChangePINCode)
		return p.Phone.Call(t, identitypincodeset.Function, uuid.NewString(), identitypincodeset.Request{
			Confirmation: stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{
				{Factor: stepup.PINCode, Password: p.Phone.Password(t, present)},
				{Factor: stepup.DeviceKey, Signature: p.Phone.Sign(t, in.Text)},
			}}, PINCode: p.Phone.Password(t, "60713942"),
		})
	}
	change(first).Want(t, "PROOF_REJECTED")
	change(second).Want(t, "")
	records := bank.Told[events.AccessRecorded](t, p.Bank, events.TypeAccessRecorded)
	for _, r := range records {
		if strings.Contains(r.Reason, first) || strings.Contains(r.Reason, second) {
			t.Errorf("the record is %+v", r)
		}
	}
	changed := bank.Told[events.PasswordChanged](t, p.Bank, events.TypePasswordChanged)
	if len(changed) != 3 || changed[0].Which != "pin_code" || !changed[0].Reset || changed[2].Reset {
		t.Errorf("the events are %+v", changed)
	}
	o.phone = "13999999999"
	if _, _, err := givePIN(t.Context(), p.Host, o); !errors.Is(err, errNoCustomer) {
		t.Errorf("nobody's number: %v", err)
	}
}

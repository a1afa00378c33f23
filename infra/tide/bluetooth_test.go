package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// A key is handed out once, to one customer.
func TestAKeyIsHandedOutOnce(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_00)
	o := order{phone: p.Payer.Phone, reason: "first key", operator: "wang"}
	_, err := handOutKey(t.Context(), p.Host, o, "BK1")
	check.Must(t, err)
	if n := p.Count(t, "SELECT count(*) FROM bluetooth_key WHERE serial = 'BK1' AND customer_id = $1", p.Payer.ID); n != 1 {
		t.Errorf("%d keys are handed out", n)
	}
	other, nobody := o, o
	other.phone, nobody.phone = p.Payee.Phone, "13999999999"
	if _, err := handOutKey(t.Context(), p.Host, other, "BK1"); !errors.Is(err, cert.ErrHandedOut) {
		t.Errorf("to another customer: %v", err)
	}
	if _, err := handOutKey(t.Context(), p.Host, nobody, "BK2"); !errors.Is(err, errNoCustomer) {
		t.Errorf("to nobody: %v", err)
	}
	records := bank.Told[events.AccessRecorded](t, p.Bank, events.TypeAccessRecorded)
	last := records[len(records)-1]
	if last.Function != handOutFunction || last.Reason != "key BK1 handed out by wang: first key" {
		t.Errorf("the record is %+v", last)
	}
}

// A limit is set for the customer or an own account, from its time on, and not above the bank's cap.
func TestAKeysLimitIsSet(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_00)
	good := keyLimit{
		order:    order{phone: p.Payer.Phone, reason: "asked", operator: "wang"},
		approver: "zhao", transfer: "200000.00", day: "500000",
	}
	set := func(change func(*keyLimit)) error {
		o := good
		change(&o)
		_, err := limitKey(t.Context(), p.Host, o)
		return err
	}
	check.Must(t, set(func(*keyLimit) {}))
	check.Must(t, set(func(o *keyLimit) { o.account = p.Payer.Accounts[1].No }))
	check.Must(t, set(func(o *keyLimit) { o.from = p.Clock.Now().Add(time.Hour).Format(time.RFC3339) }))
	for name, tt := range map[string]struct {
		change func(*keyLimit)
		want   error
	}{
		"twice at one time":           {func(*keyLimit) {}, limit.ErrSet},
		"another customer's account":  {func(o *keyLimit) { o.account = p.Payee.Accounts[0].No }, errOtherHolder},
		"above the cap of a transfer": {func(o *keyLimit) { o.transfer = "1000000.01" }, errAboveCap},
		"above the cap of a day":      {func(o *keyLimit) { o.day = "1000000.01" }, errAboveCap},
		"no amount":                   {func(o *keyLimit) { o.day = "much" }, errAmount},
		"below zero":                  {func(o *keyLimit) { o.day = "-1.00" }, errAmount},
		"of yesterday":                {func(o *keyLimit) { o.from = "2026-01-01T00:00:00+08:00" }, errFrom},
		"nobody's":                    {func(o *keyLimit) { o.phone = "13999999999" }, errNoCustomer},
	} {
		if err := set(tt.change); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, sql := range []string{
		"account_id IS NULL AND per_transfer = 20000000 AND per_day = 50000000", "account_id = $2 AND customer_id = $1",
	} {
		if n := p.Count(t, "SELECT count(*) FROM bluetooth_key_limit WHERE customer_id = $1 AND $2::uuid IS NOT NULL AND "+sql,
			p.Payer.ID, p.Payer.AccountIDs[1]); n == 0 {
			t.Errorf("no limit with %s", sql)
		}
	}
	if n := p.Count(t, "SELECT count(*) FROM bluetooth_key_limit"); n != 3 {
		t.Errorf("%d limits are set", n)
	}
	for words, want := range map[string]string{
		"customer key-limit --phone 13800010001 --transfer 1 --day 1 --approver a --reason x --operator a": "--approver must be",
		"customer hand-out-key --phone 13800010001 --serial B_1 --reason x --operator a":                   "--serial must be",
	} {
		command := newCommand()
		command.SetArgs(strings.Fields(words))
		if err := command.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

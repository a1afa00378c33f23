package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// A customer's record is erased only if every account is closed and the law allows it. Then
// nobody reads it, with all keys of the bank either. The money records stay sound.
func TestErase(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 100_00)
	p.Confirm(t, p.Proved(t, p.Prepare(t, p.ToPayee(1_00)))).Want(t, "")
	o := order{phone: p.Payer.Phone, reason: "kept for ten years", operator: "wang"}
	erase := func() error {
		_, err := eraseCustomer(t.Context(), p.Host, o)
		return err
	}
	if err := erase(); !errors.Is(err, customer.ErrStillOpen) {
		t.Errorf("with open accounts: %v", err)
	}
	p.Exec(t, "UPDATE account SET state = 'closed' WHERE customer_id = $1", p.Payer.ID)
	if err := erase(); !errors.Is(err, customer.ErrMustKeep) {
		t.Errorf("too early: %v", err)
	}
	if name, err := customer.Phone(t.Context(), p.Host.DB.Reader(), p.Host.Keys, p.Payer.ID); err != nil || name != p.Payer.Phone {
		t.Fatalf("a refused order erased: %q, %v", name, err)
	}
	p.Exec(t, "INSERT INTO phone_change (id, customer_id, former_ct, changed_at) VALUES (gen_random_uuid(), $1, 'sealed', now())",
		p.Payer.ID)
	p.Exec(t, "UPDATE customer SET alias_ct = 'sealed', alias_bidx = 'index' WHERE id = $1", p.Payer.ID)
	p.Clock.Advance(3654 * 24 * 60 * 60 * 1e9)
	check.Must(t, erase())

	if _, err := customer.Phone(t.Context(), p.Host.DB.Reader(), p.Host.Keys, p.Payer.ID); !errors.Is(err, bankerr.ErrNotFound) {
		t.Errorf("the phone: %v", err)
	}
	if err := erase(); !errors.Is(err, errNoCustomer) {
		t.Errorf("a second time: %v", err)
	}
	for _, column := range []string{"data_key", "name_ct", "phone_ct", "idno_ct", "alias_ct", "alias_bidx"} {
		if n := p.Count(t, "SELECT count(*) FROM customer WHERE id = $1 AND "+column+" <> ''", p.Payer.ID); n != 0 {
			t.Errorf("%s is left", column)
		}
	}
	index := check.Value[[]byte](t, p.Host.DB.Pool(), "SELECT phone_bidx FROM customer WHERE id = $1", p.Payer.ID)
	if bytes.Equal(index, p.Host.Keys.BlindIndex("phone", p.Payer.Phone)) {
		t.Error("the index still finds the row")
	}
	for _, table := range []string{"phone_change", "credential", "device", "device_report", "message", "token"} {
		if n := p.Count(t, "SELECT count(*) FROM "+table+" WHERE customer_id = $1", p.Payer.ID); n != 0 {
			t.Errorf("%s has %d rows", table, n)
		}
	}
	if phone, err := customer.Phone(t.Context(), p.Host.DB.Reader(), p.Host.Keys, p.Payee.ID); err != nil || phone != p.Payee.Phone {
		t.Errorf("another customer: %q, %v", phone, err)
	}
	bank.CheckLedger(t, p.Host.DB, p.Host.Keys)
	records := bank.Told[events.AccessRecorded](t, p.Bank, events.TypeAccessRecorded)
	if last := records[len(records)-1]; last.Function != eraseFunction || last.CustomerID != p.Payer.ID.String() {
		t.Errorf("the record is %+v", last)
	}
}

package functions_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/audit"
	"github.com/tidebank/tidebank/functions/transfer"
	transferget "github.com/tidebank/tidebank/functions/transfer/get"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// records are the tables that hold a transfer's record.
var records = []string{"audit_record", "transfer", "posting", "entry"}

// recorded is the audit chain's record of a transfer.
func (p fixture) recorded(t *testing.T, id uuid.UUID) (audit.Record, events.TransferPosted) {
	t.Helper()
	body := check.Value[[]byte](t, p.Host.DB.Pool(), "SELECT body FROM audit_record WHERE subject = $1 AND type = $2",
		id.String(), events.TypeTransferPosted)
	var record audit.Record
	var data events.TransferPosted
	check.Must(t, errors.Join(json.Unmarshal(body, &record), json.Unmarshal(record.Data, &data)))
	return record, data
}

// wantRecord fails the test unless the full record of the transfer is found, in the
// audit chain and by its payer.
func (p fixture) wantRecord(t *testing.T, made transfer.View) {
	t.Helper()
	_, got := p.recorded(t, made.TransferID)
	want := events.TransferPosted{
		TransferID: made.TransferID.String(), PostingID: made.TransferID.String(),
		PayerCustomerID: p.Payer.ID.String(), PayeeCustomerID: p.Payee.ID.String(),
		DebitAccountID: p.Payer.AccountIDs[0].String(), CreditAccountID: p.Payee.AccountIDs[0].String(),
		AmountFen: 1_234_56, PayerMasked: "**明", PayeeMasked: "*四",
		PayerAccountMasked: mask.Account(p.Payer.Accounts[0].No), PayeeAccountMasked: mask.Account(p.Payee.Accounts[0].No),
		NewPayee: true, PostedAt: bank.Start.UTC(), DeviceID: p.Phone.ID, Factors: []string{"device_key", "trade_password"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the audit chain's record (-want +got):\n%s", diff)
	}
	var shown transfer.View
	p.Phone.Call(t, transferget.Function, "", map[string]any{"transfer_id": made.TransferID}).Into(t, &shown)
	if diff := cmp.Diff(made, shown, cmp.Comparer(time.Time.Equal)); diff != "" || shown.Status != "posted" {
		t.Errorf("the payer's receipt, %s (-want +got):\n%s", shown.Status, diff)
	}
}

// A transfer's record is complete, is still there after ten years and every job that
// clears the bank's tables, and can be changed by nobody.
func TestATransfersRecordIsComplete(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-001.1", "AUDIT-001.2")
	p := newFixture(t)
	made := p.pay(t, 1_234_56)
	p.deliverAll(t)
	p.wantRecord(t, made)
	p.deliverAll(t) // reading is recorded too

	p.older(t)
	p.Advance(10 * 366 * 24 * time.Hour)
	p.Phone.Reopen(t)
	p.Phone.LoginAs(t, p.Payer)
	cleared := p.Count(t, "SELECT count(*) FROM outbox")
	p.runWorkers(t)
	check.UntilCount(t, 0, p.Host.DB.Pool(), "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM delivery)")
	for folded := int64(1); folded > 0; {
		var err error
		folded, err = ledger.Fold(t.Context(), p.Host.DB)
		check.Must(t, err)
	}
	if cleared == 0 {
		t.Error("the jobs had nothing to clear")
	}
	p.wantRecord(t, made)
	p.CheckLedger(t)
}

// Not even the owner of the tables may change a record by SQL, and an event that
// comes again with other contents changes none.
func TestNobodyChangesARecord(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-001.3")
	p := newFixture(t)
	made := p.pay(t, 1_234_56)
	p.deliverAll(t)
	for _, table := range records {
		if p.Count(t, "SELECT count(*) FROM "+table) == 0 {
			t.Fatalf("%s is empty", table)
		}
		key := check.Value[string](t, p.Host.DB.Pool(), `
SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position LIMIT 1`, table)
		for _, sql := range []string{
			"UPDATE " + table + " SET " + key + " = " + key, "DELETE FROM " + table, "TRUNCATE " + table,
			"TRUNCATE " + table + " CASCADE",
		} {
			var refused *pgconn.PgError
			if _, err := p.Host.DB.Pool().Exec(t.Context(), sql); !errors.As(err, &refused) || refused.Code != "TB000" {
				t.Errorf("%s: %v, want a refusal", sql, err)
			}
		}
	}
	record, changed := p.recorded(t, made.TransferID)
	changed.AmountFen = 1
	again := p.Event(t, record.EventID, record.Type, record.Subject, changed)
	if got := p.Deliver(t, functest.Named(t, audit.Consumer), again); got != http.StatusAccepted {
		t.Errorf("the event came again: %d", got)
	}
	p.wantRecord(t, made)
}

// The bank finds each stored record that was changed by SQL.
func TestAChangedRecordIsReported(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-001.4")
	p := newFixture(t)
	made := p.pay(t, 1_234_56)
	p.deliverAll(t)
	chain := func() error {
		_, err := audit.Verify(t.Context(), p.Host.DB, p.Host.Keys)
		return err
	}
	balanced := func() error {
		report, err := ledger.Verify(t.Context(), p.Host.DB, func(id string, sum []byte, parts ...[]byte) error {
			return p.Host.Keys.VerifyMAC(keys.Ledger, id, sum, parts...)
		})
		if err == nil && !report.Sound() {
			err = errors.New("the ledger is not sound")
		}
		return err
	}
	receipt := func() error {
		r := p.Phone.Call(t, transferget.Function, "", map[string]any{"transfer_id": made.TransferID})
		if r.Code == "" {
			return nil
		}
		return errors.New(r.Code)
	}
	const amount = `convert_to(replace(convert_from(body, 'UTF8'), '123456', '123457'), 'UTF8')`
	for _, tt := range []struct {
		table, change, back string
		check               func() error
	}{
		{"audit_record", "body = " + amount, "body = convert_to(replace(convert_from(body, 'UTF8'), '123457', '123456'), 'UTF8')", chain},
		{"posting", "amount = amount + 1", "amount = amount - 1", balanced},
		{"entry", "amount = amount + 1", "amount = amount - 1", balanced},
		{
			"transfer", "detail_ct = set_byte(detail_ct, 20, get_byte(detail_ct, 20) # 1)",
			"detail_ct = set_byte(detail_ct, 20, get_byte(detail_ct, 20) # 1)", receipt,
		},
	} {
		behind := func(change string) {
			p.Exec(t, "ALTER TABLE "+tt.table+" DISABLE TRIGGER ALL; UPDATE "+tt.table+" SET "+change+
				"; ALTER TABLE "+tt.table+" ENABLE TRIGGER ALL")
		}
		if err := tt.check(); err != nil {
			t.Errorf("%s before the change: %v", tt.table, err)
		}
		behind(tt.change)
		if tt.check() == nil {
			t.Errorf("a change of %s is not reported", tt.table)
		}
		behind(tt.back)
		if err := tt.check(); err != nil {
			t.Errorf("%s as it was: %v", tt.table, err)
		}
	}
}

package functions_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

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

// recorded is what the audit chain says about a transfer.
func (p pair) recorded(t *testing.T, id uuid.UUID) (audit.Record, events.TransferPosted) {
	t.Helper()
	var body []byte
	row := p.Host.DB.Pool().QueryRow(t.Context(), "SELECT body FROM audit_record WHERE subject = $1 AND type = $2",
		id.String(), events.TypeTransferPosted)
	if err := row.Scan(&body); err != nil {
		t.Fatalf("the record of transfer %s: %v", id, err)
	}
	var record audit.Record
	var data events.TransferPosted
	check.Must(t, errors.Join(json.Unmarshal(body, &record), json.Unmarshal(record.Data, &data)))
	return record, data
}

// wantRecord fails the test unless the full record of the transfer is found, in the
// audit chain and by its payer.
func (p pair) wantRecord(t *testing.T, made transfer.View) {
	t.Helper()
	_, got := p.recorded(t, made.TransferID)
	want := events.TransferPosted{
		TransferID: made.TransferID.String(), PostingID: made.TransferID.String(),
		PayerCustomerID: p.payer.ID.String(), PayeeCustomerID: p.payee.ID.String(),
		DebitAccountID: p.payer.AccountIDs[0].String(), CreditAccountID: p.payee.AccountIDs[0].String(),
		AmountFen: 1_234_56, PayerMasked: "**明", PayeeMasked: "*四",
		PayerAccountMasked: mask.Account(p.payer.Accounts[0].No), PayeeAccountMasked: mask.Account(p.payee.Accounts[0].No),
		NewPayee: true, PostedAt: bank.Start.UTC(), DeviceID: p.phone.ID, Factors: []string{"device_key", "trade_password"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the audit chain's record (-want +got):\n%s", diff)
	}
	var shown transfer.View
	p.phone.Call(t, transferget.Function, "", map[string]any{"transfer_id": made.TransferID}).Into(t, &shown)
	if diff := cmp.Diff(made, shown, cmp.Comparer(time.Time.Equal)); diff != "" || shown.Status != "posted" {
		t.Errorf("the payer's receipt, %s (-want +got):\n%s", shown.Status, diff)
	}
}

// A transfer's record is complete, is still there after ten years and every job that
// clears the bank's tables, and can be changed by nobody.
func TestATransfersRecordIsComplete(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-001.1", "AUDIT-001.2")
	p := newPair(t)
	stop := p.flow(t)
	made := p.pay(t, p.order(1_234_56))
	p.settled(t)
	p.wantRecord(t, made)
	p.settled(t) // reading is recorded too
	stop()

	// The jobs ask PostgreSQL's clock: instead of turning it, let all rows be older.
	p.exec(t, "UPDATE outbox SET published_at = published_at - interval '10 years'")
	p.exec(t, "UPDATE delivery SET due_at = due_at - interval '10 years'")
	p.Advance(10 * 366 * 24 * time.Hour)
	p.phone.Reopen(t)
	p.phone.LoginAs(t, p.payer)
	cleared := p.count(t, "SELECT count(*) FROM outbox")
	p.flow(t)
	p.until(t, "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM delivery)")
	for folded := int64(1); folded > 0; {
		var err error
		folded, err = ledger.Fold(t.Context(), p.Host.DB)
		check.Must(t, err)
	}
	if cleared == 0 {
		t.Error("the jobs had nothing to clear")
	}
	p.wantRecord(t, made)
	bank.Books(t, p.Host.DB, p.Host.Keys)
}

// Not even the owner of the tables may change a record by SQL, and an event that
// comes again with other contents changes none.
func TestNobodyChangesARecord(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-001.3")
	p := newPair(t)
	stop := p.flow(t)
	made := p.pay(t, p.order(1_234_56))
	p.settled(t)
	stop()
	for _, table := range records {
		if p.count(t, "SELECT count(*) FROM "+table) == 0 {
			t.Fatalf("%s is empty", table)
		}
		key := p.column(t, table)
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
	if got := p.Deliver(t, function(t, audit.Consumer), again); got != http.StatusAccepted {
		t.Errorf("the event came again: %d", got)
	}
	p.wantRecord(t, made)
}

// column is the first column of a table.
func (p pair) column(t *testing.T, table string) string {
	t.Helper()
	name := check.Value[string](t, p.Host.DB.Pool(), `
SELECT column_name FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position LIMIT 1`, table)
	return name
}

// Whoever changes a stored record behind the bank's back is found out.
func TestAChangedRecordIsReported(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-001.4")
	p := newPair(t)
	stop := p.flow(t)
	made := p.pay(t, p.order(1_234_56))
	p.settled(t)
	stop()
	chain := func() error {
		_, err := audit.Verify(t.Context(), p.Host.DB)
		return err
	}
	books := func() error {
		report, err := ledger.Verify(t.Context(), p.Host.DB, func(id string, sum []byte, parts ...[]byte) error {
			return p.Host.Keys.VerifyMAC(keys.Ledger, id, sum, parts...)
		})
		if err == nil && !report.Sound() {
			err = errors.New("the books are not sound")
		}
		return err
	}
	receipt := func() error {
		r := p.phone.Call(t, transferget.Function, "", map[string]any{"transfer_id": made.TransferID})
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
		{"posting", "amount = amount + 1", "amount = amount - 1", books},
		{"entry", "amount = amount + 1", "amount = amount - 1", books},
		{
			"transfer", "detail_ct = set_byte(detail_ct, 20, get_byte(detail_ct, 20) # 1)",
			"detail_ct = set_byte(detail_ct, 20, get_byte(detail_ct, 20) # 1)", receipt,
		},
	} {
		behind := func(change string) {
			p.exec(t, "ALTER TABLE "+tt.table+" DISABLE TRIGGER ALL; UPDATE "+tt.table+" SET "+change+
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

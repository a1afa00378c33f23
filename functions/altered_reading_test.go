package functions_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/functest"
)

// fresh lets the next code and attempt be the first.
func (p fixture) fresh(t *testing.T) {
	t.Helper()
	p.ForgetAttempts(t)
	p.Exec(t, "DELETE FROM otp_quota")
}

// particulars are read by identity-me.
func (p fixture) particulars(t *testing.T, clear string) reading {
	t.Helper()
	return reading{row: id(p.Payer.ID), clear: []string{clear}, refused: "INTERNAL_ERROR", use: func() []string {
		return []string{p.code(t, "identity-me", struct{}{})}
	}}
}

// formerPhone is read by the function that tells the earlier number of a change.
func formerPhone(t *testing.T, p fixture) reading {
	t.Helper()
	const fresh = "13900002222"
	change := uuid.New()
	var batch pgx.Batch
	var record customer.Sealed
	record.QueueSealed(&batch, p.Payer.ID)
	check.Must(t, p.Host.DB.QueryBatch(t.Context(), &batch))
	var unit pg.Unit
	check.Must(t, record.SetPhone(t.Context(), &unit, p.Host.Keys,
		customer.NewNumber{Change: change, Phone: fresh, At: p.Clock.Now()}, errors.New("stale")))
	check.Must(t, p.Host.DB.Commit(t.Context(), &unit))
	return reading{row: id(change), clear: []string{p.Payer.Phone}, refused: "503", use: func() []string {
		e := p.Event(t, uuid.NewString(), events.TypePhoneChanged, p.Payer.ID.String(), events.PhoneChanged{
			CustomerID: p.Payer.ID.String(), ChangeID: change.String(), DeviceID: p.Phone.ID, ChangedAt: p.Clock.Now(),
		})
		before := len(p.sms.Inbox(""))
		status := p.Deliver(t, functest.Named(t, "notify-on-phone"), e)
		switch told := len(p.sms.Inbox("")) - before; {
		case status < http.StatusBadRequest && told == 1 && len(p.sms.Inbox(p.Payer.Phone)) > 0:
			return []string{""}
		case told > 0:
			t.Error("another number got the text")
		}
		return []string{fmt.Sprint(status)}
	}}
}

func (p fixture) payWithMemo(t *testing.T) (transferID uuid.UUID) {
	t.Helper()
	order := p.ToPayee(1_00)
	order["memo"] = kept
	var made struct {
		ID uuid.UUID `json:"transfer_id"`
	}
	p.Confirm(t, p.Proved(t, p.Prepare(t, order))).Into(t, &made)
	return made.ID
}

// confirmation is of a prepared order, which transfer-confirm reads.
func (p fixture) confirmation(t *testing.T) reading {
	t.Helper()
	order := p.ToPayee(1_00)
	order["memo"] = kept
	in := p.Prepare(t, order)
	proven := p.Proved(t, in)
	return reading{row: id(in.IntentID), clear: []string{kept, p.Payee.Name}, refused: "INTERNAL_ERROR", use: func() []string {
		reply := p.Confirm(t, proven)
		if posted := p.Count(t, "SELECT count(*) FROM transfer") == 1; posted != (reply.Code == "") {
			t.Errorf("the answer is %q, and the transfer was made: %v", reply.Code, posted)
		}
		return []string{reply.Code}
	}}
}

// order is a transfer that was carried out.
func (p fixture) order(t *testing.T) reading {
	t.Helper()
	made := p.payWithMemo(t)
	return reading{row: id(made), refused: "INTERNAL_ERROR", use: func() []string {
		return []string{p.code(t, "transfer-get", map[string]any{"transfer_id": made}), p.code(t, "transfer-list", struct{}{})}
	}}
}

func (p fixture) statement(t *testing.T) string {
	t.Helper()
	return p.code(t, "account-statement", map[string]any{"account_id": p.Payer.AccountIDs[0]})
}

// amounts are read by each function that shows or needs the balance of an account of the payer.
func (p fixture) amounts(t *testing.T, row string, account ...int) reading {
	t.Helper()
	own := p.Payer.AccountIDs[append(account, 0)[0]]
	return reading{row: row, refused: "INTERNAL_ERROR", use: func() []string {
		one := map[string]any{"account_id": own}
		order := p.ToPayee(1)
		order["debit_account_id"] = own
		codes := []string{
			p.code(t, "account-overview", struct{}{}), p.code(t, "account-detail", one), p.code(t, "account-statement", one),
		}
		if prepared := p.code(t, "transfer-prepare", order); prepared != "FUNDS_INSUFFICIENT" {
			codes = append(codes, prepared)
		}
		return codes
	}}
}

// lastEntry is the payer's debit of a transfer.
func lastEntry(t *testing.T, p fixture) reading {
	t.Helper()
	p.payWithMemo(t)
	return p.amounts(t, fmt.Sprintf("account_id = '%s' AND number = 2", p.Payer.AccountIDs[0]))
}

// changed returns a stored value with one changed bit.
func changed(t *testing.T, value any, at int) any {
	t.Helper()
	switch value := value.(type) {
	case []byte:
		return check.Flip(value, at)
	case string: // a stored password: a scheme, and base64 behind the last dollar sign
		cut := strings.LastIndex(value, "$") + 1
		raw, err := base64.RawStdEncoding.DecodeString(value[cut:])
		check.Must(t, err)
		return value[:cut] + base64.RawStdEncoding.EncodeToString(check.Flip(raw, at))
	case int64:
		if at < 0 {
			return value + 1
		}
		return value ^ 1<<at
	}
	t.Fatalf("a value of type %T", value)
	return nil
}

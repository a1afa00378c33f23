package functions_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/infra/sealed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/reseal"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/functest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

const kept = "房租押金三月" // a memo, an alias of an account

// reading is a stored value, and the calls that read it.
type reading struct {
	row     string          // the condition that selects its row
	clear   []string        // the value, which nobody reads in the row; empty for an amount
	use     func() []string // the codes of the calls that use the value; each is empty if the value is good
	refused string          // the code that each of them has if the value was changed
	again   string          // a statement that forgets the failed attempts
}

// call returns the code of a call of the payer.
func (p fixture) code(t *testing.T, name string, request any) string {
	t.Helper()
	return p.Phone.Call(t, functest.Named(t, name), uuid.NewString(), request).Code
}

func id(of uuid.UUID) string { return fmt.Sprintf("id = '%s'", of) }

// readings are the values under test, by column. Each begins with a bank of its own. A name
// after a space tells several readings of a column apart.
var readings = map[string]func(*testing.T, fixture) reading{
	"customer.data_key": func(t *testing.T, p fixture) reading { return p.particulars(t, p.Payer.Name) },
	"customer.name_ct":  func(t *testing.T, p fixture) reading { return p.particulars(t, p.Payer.Name) },
	"customer.phone_ct": func(t *testing.T, p fixture) reading { return p.particulars(t, p.Payer.Phone) },
	"customer.idno_ct":  func(t *testing.T, p fixture) reading { return p.particulars(t, p.Payer.IDNo) },
	"customer.alias_ct": func(t *testing.T, p fixture) reading {
		const alias = "tide.fan"
		in := p.PrepareChange(t, stepup.SetAlias)
		p.Phone.Call(t, functest.Named(t, "identity-alias-set"), uuid.NewString(), map[string]any{
			"intent_id": in.IntentID, "alias": alias,
			"proofs": []stepup.Proof{p.KnownLogin(t, bank.LoginPassword), p.CodeFor(t, in.IntentID)},
		}).Want(t, "")
		return p.particulars(t, alias)
	},
	"phone_change.former_ct": formerPhone,
	"evidence.text_ct": func(t *testing.T, p fixture) reading {
		ukey := p.SoftUKey(t, p.Payer, cert.InApp)
		in := p.Prepare(t, p.ToPayee(1_00))
		p.Confirm(t, stepup.Confirmation{
			IntentID: in.IntentID, Proofs: []stepup.Proof{p.Known(t), ukey.Signed(t, stepup.SoftUKey, in.Text)},
		}).Want(t, "")
		first, _, _ := strings.Cut(in.Text, "\n")
		return reading{row: id(in.IntentID), clear: []string{first}, refused: "damaged", use: func() []string { // tide evidence reads it
			record, err := evidence.Read(t.Context(), p.Host.DB.Reader(), p.Host.Keys, in.IntentID)
			if err != nil || record.Verify(p.Host.Roots, p.Host.Keys) != nil {
				return []string{"damaged"}
			}
			return []string{""}
		}}
	},
	"account.no_ct": func(t *testing.T, p fixture) reading {
		return reading{
			row: id(p.Payer.AccountIDs[0]), clear: []string{p.Payer.Accounts[0].No}, refused: "damaged",
			use: func() []string { // no function needs the number; tide keys verify reads it
				at := slices.IndexFunc(sealed.Columns(), func(c reseal.Column) bool { return c.Name == "account.no_ct" })
				list, err := reseal.Count(t.Context(), p.Host.DB, p.Host.Keys, sealed.Columns()[at:at+1], nil)
				check.Must(t, err)
				if slices.ContainsFunc(list, func(u reseal.Use) bool { return u.Damaged > 0 || u.Key == "" }) {
					return []string{"damaged"}
				}
				return []string{""}
			},
		}
	},
	"account.alias_ct": func(t *testing.T, p fixture) reading {
		account := p.Payer.AccountIDs[0]
		p.Phone.Call(t, functest.Named(t, "account-alias-set"), uuid.NewString(),
			map[string]any{"account_id": account, "alias": kept}).Want(t, "")
		return reading{row: id(account), clear: []string{kept}, refused: "INTERNAL_ERROR", use: func() []string {
			return []string{
				p.code(t, "account-overview", struct{}{}), p.code(t, "account-detail", map[string]any{"account_id": account}),
			}
		}}
	},
	"account.card_password": func(t *testing.T, p fixture) reading {
		d := p.Device(t, "phone-of-li")
		return reading{
			row: id(p.Payee.AccountIDs[0]), clear: []string{bank.CardPassword}, refused: "REGISTRATION_REFUSED",
			use: func() []string {
				p.fresh(t)
				request := d.SignUp(t, p.Payee, otptest.Ask(t, p.Bank, d, otp.Register, p.Payee.Phone))
				return []string{d.Call(t, functest.Named(t, "identity-register"), uuid.NewString(), request).Code}
			},
		}
	},
	"entry.memo_ct": func(t *testing.T, p fixture) reading {
		p.payWithMemo(t)
		return reading{
			row: fmt.Sprintf("account_id = '%s' AND memo_ct <> ''", p.Payer.AccountIDs[0]), clear: []string{kept},
			refused: "INTERNAL_ERROR", use: func() []string { return []string{p.statement(t)} },
		}
	},
	"credential.login_password": func(t *testing.T, p fixture) reading {
		d := p.Device(t, "tablet-of-wang")
		return reading{
			row: fmt.Sprintf("customer_id = '%s'", p.Payer.ID), clear: []string{bank.LoginPassword}, refused: "LOGIN_FAILED",
			use: func() []string {
				p.fresh(t)
				request := d.LogIn(t, p.Payer, otptest.Ask(t, p.Bank, d, otp.Login, p.Payer.Phone))
				return []string{d.Call(t, functest.Named(t, "identity-login"), "", request).Code}
			},
		}
	},
	"credential.trade_password": func(t *testing.T, p fixture) reading {
		r := p.confirmation(t)
		r.row, r.clear = fmt.Sprintf("customer_id = '%s'", p.Payer.ID), []string{bank.TradePassword}
		r.refused = "PROOF_REJECTED"
		r.again = "UPDATE credential SET trade_failures = 0, trade_day_failures = 0, trade_locked_until = NULL"
		return r
	},
	"device.gesture": func(t *testing.T, p fixture) reading {
		p.Phone.KeepGesture(t, p.Payer)
		return reading{
			row: fmt.Sprintf("customer_id = '%s'", p.Payer.ID), clear: []string{bank.Gesture}, refused: "LOGIN_FAILED",
			again: "UPDATE device SET gesture_failures = 0",
			use: func() []string {
				p.fresh(t)
				request := p.Phone.QuickLogin(t, p.Payer, p.Phone.Challenge(t), device.ByGesture, nil)
				return []string{p.Phone.Call(t, functest.Named(t, "identity-quick-login"), "", request).Code}
			},
		}
	},
	"intent.payload_ct": func(t *testing.T, p fixture) reading { return p.confirmation(t) },
	"intent.text_ct":    func(t *testing.T, p fixture) reading { return p.confirmation(t) },
	"idempotency.reply": func(t *testing.T, p fixture) reading {
		in, proven := p.proven(t, 1_00)
		key := uuid.NewString()
		again := func() []string {
			return []string{p.Phone.Call(t, functest.Named(t, "transfer-confirm"), key, proven).Code}
		}
		again()
		return reading{
			row: fmt.Sprintf("key = '%s'", key), clear: []string{in.PayeeNameMasked}, refused: "INTERNAL_ERROR", use: again,
		}
	},
	"transfer.detail_ct": func(t *testing.T, p fixture) reading {
		r := p.order(t)
		r.clear = []string{kept}
		return r
	},
	"token.seed_ct": func(t *testing.T, p fixture) reading {
		held, in := p.Token(t), p.Prepare(t, p.ToPayee(1_00))
		return reading{
			row: fmt.Sprintf("serial = '%s'", held.Serial), clear: []string{string(held.Seed[:])}, refused: "PROOF_REJECTED",
			again: "UPDATE token SET wrong_responses = 0, locked_until = NULL",
			use: func() []string {
				return []string{p.Confirm(t, stepup.Confirmation{
					IntentID: in.IntentID, Proofs: []stepup.Proof{p.Signed(t, in), bank.Responded(held, in.Text)},
				}).Code}
			},
		}
	},
	"transfer.amount": func(t *testing.T, p fixture) reading { return p.order(t) },
	"account.balance": func(t *testing.T, p fixture) reading {
		p.payWithMemo(t)
		return p.amounts(t, id(p.Payer.AccountIDs[0]))
	},
	"account.balance without entries": func(t *testing.T, p fixture) reading {
		return p.amounts(t, id(p.Payer.AccountIDs[1]), 1)
	},
	"account.last_entry": func(t *testing.T, p fixture) reading {
		p.payWithMemo(t)
		return p.amounts(t, id(p.Payer.AccountIDs[0]))
	},
	"entry.amount":        lastEntry,
	"entry.balance_after": lastEntry,
	"entry.balance_after of an older entry": func(t *testing.T, p fixture) reading {
		r := lastEntry(t, p)
		r.row = strings.Replace(r.row, "number = 2", "number = 1", 1)
		return r
	},
	"posting.amount": func(t *testing.T, p fixture) reading {
		p.payWithMemo(t)
		return p.amounts(t, "kind = 'transfer'")
	},
}

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

// alter changes a bit of the value in its row, as a hand at the database would.
func (r reading) alter(t *testing.T, p fixture, column string, at int) (undo func()) {
	t.Helper()
	table, field, _ := strings.Cut(column, ".")
	value := check.Value[any](t, p.Host.DB.Pool(), fmt.Sprintf("SELECT %s FROM %s WHERE %s", field, table, r.row))
	set := fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s", table, field, r.row)
	p.Exec(t, "ALTER TABLE "+table+" DISABLE TRIGGER USER") // the owner of the tables can
	p.Exec(t, set, changed(t, value, at))
	return func() { p.Exec(t, set, value) }
}

// Each sealed column, and each amount: the functions that need a value refuse it if one bit of it was
// changed, wherever it is. Nobody reads a sealed value in its row without the keys; amounts stand in clear.
func TestAnAlteredValueIsNotUsed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-001.3", "CRYPTO-012.2")
	wantEachColumn(t)
	for name, open := range readings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newFixture(t)
			r := open(t, p)
			column, _, _ := strings.Cut(name, " ")
			table, _, _ := strings.Cut(column, ".")
			row := check.Value[string](t, p.Host.DB.Pool(), fmt.Sprintf("SELECT r::text FROM %s r WHERE %s", table, r.row))
			if found := readable(row+p.Cached(t), r.clear...); len(row) < 40 || len(found) > 0 {
				t.Errorf("the row shows %q: %s", found, row)
			}
			for _, at := range []int{0, 1, 2, 3, 9, -17, -1} { // suite, id of the key, nonce, text and tag
				undo := r.alter(t, p, column, at)
				codes := r.use()
				if slices.ContainsFunc(codes, func(code string) bool { return code != r.refused }) {
					t.Errorf("byte %d was changed: %q, want %s", at, codes, r.refused)
				}
				undo()
				if r.again != "" {
					p.Exec(t, r.again)
				}
			}
			if codes := r.use(); strings.Join(codes, "") != "" {
				t.Errorf("unchanged: %q", codes)
			}
		})
	}
}

// A posting whose amounts were all changed alike, so that entries and balances still agree, is found by its MAC.
func TestAForgedPostingIsNotUsed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-012.2")
	p := newFixture(t)
	p.payWithMemo(t)
	for _, statement := range []string{
		"ALTER TABLE posting DISABLE TRIGGER USER", "ALTER TABLE entry DISABLE TRIGGER USER",
		"UPDATE posting SET amount = amount + 1 WHERE kind = 'transfer'",
		`UPDATE entry SET amount = amount + sign(amount), balance_after = balance_after + sign(amount)
 WHERE posting_id IN (SELECT id FROM posting WHERE kind = 'transfer')`,
		`UPDATE account a SET balance = e.balance_after FROM entry e WHERE e.account_id = a.id AND e.number = a.last_entry`,
	} {
		p.Exec(t, statement)
	}
	codes := p.amounts(t, "").use()
	if slices.ContainsFunc(codes, func(code string) bool { return code != "INTERNAL_ERROR" }) {
		t.Errorf("a forged posting: %q", codes)
	}
}

// wantEachColumn fails the test unless it reads each sealed column of the database, and each
// amount of a customer.
func wantEachColumn(t *testing.T) {
	t.Helper()
	p := newFixture(t)
	columns := check.Column[string](t, p.Host.DB.Pool(), `
SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name LIKE '%\_ct'`)
	for _, c := range sealed.Columns() {
		columns = append(columns, c.Name)
	}
	columns = append(columns, "account.balance", "entry.amount", "entry.balance_after", "posting.amount", "transfer.amount")
	for _, column := range req.AtLeast(t, 20, columns) {
		if readings[column] == nil {
			t.Errorf("no function is called that reads %s", column)
		}
	}
}

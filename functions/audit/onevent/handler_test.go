package onevent_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/audit"
	auditonevent "github.com/tidebank/tidebank/functions/audit/onevent"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func deliver(t *testing.T, b *bank.Bank, e cloudevent.Event) {
	t.Helper()
	if got := b.Deliver(t, auditonevent.Function, e); got != http.StatusAccepted {
		t.Fatalf("delivery answered %d: %s", got, b.Log)
	}
}

func event(t *testing.T, b *bank.Bank, data any) cloudevent.Event {
	t.Helper()
	return b.Event(t, uuid.NewString(), events.TypeAccessRecorded, "account-detail", data)
}

// fill writes so many records.
func fill(t *testing.T, b *bank.Bank, records int) {
	t.Helper()
	for i := range records {
		deliver(t, b, event(t, b, events.AccessRecorded{Function: fmt.Sprint("f", i), Outcome: "OK"}))
	}
}

func wantChain(t *testing.T, b *bank.Bank, want int64) {
	t.Helper()
	if got, err := audit.Verify(context.Background(), b.Host.DB, b.Host.Keys); err != nil || got.Length != want {
		t.Fatalf("Verify = %+v, %v; want %d", got, err, want)
	}
}

func TestEveryTypeIsRecorded(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	wantChain(t, b, 0)
	for _, kind := range events.Catalogue() {
		deliver(t, b, b.Event(t, uuid.NewString(), kind.Type, "subject", kind.Data))
	}
	wantChain(t, b, int64(len(events.Catalogue())))
}

// The record of a transfer holds payer, payee, amount, time, proofs and device. After
// ten years it is unchanged, and nobody could change it.
func TestATransfersRecordLasts(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-004.2")
	b := bank.New(t)
	id := uuid.NewString()
	want := events.TransferPosted{
		TransferID: id, PostingID: id, PayerCustomerID: uuid.NewString(), PayeeCustomerID: uuid.NewString(),
		DebitAccountID: uuid.NewString(), CreditAccountID: uuid.NewString(), AmountFen: 99_999_999_999, PayerMasked: "**明",
		PayeeMasked: "*四", PayerAccountMasked: "622848*****0001", PayeeAccountMasked: "622848*****0002",
		PostedAt: bank.Start.UTC(), DeviceID: "phone-of-wang", Factors: []string{"sms_otp", "device_key"},
	}
	e := b.Event(t, uuid.NewString(), events.TypeTransferPosted, id, want)
	deliver(t, b, e)
	b.Advance(10 * 366 * 24 * time.Hour)
	fill(t, b, 3)

	body := check.Value[[]byte](t, b.Host.DB.Pool(), "SELECT body FROM audit_record WHERE subject = $1", id)
	var record audit.Record
	check.Must(t, json.Unmarshal(body, &record))
	var got events.TransferPosted
	check.Must(t, json.Unmarshal(record.Data, &got))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transfer (-want +got):\n%s", diff)
	}
	record.Data = nil
	about := audit.Record{EventID: e.ID, Type: events.TypeTransferPosted, Subject: id, Occurred: bank.Start.UTC()}
	if diff := cmp.Diff(about, record); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	for _, sql := range []string{
		"UPDATE audit_record SET body = body", "DELETE FROM audit_record", "TRUNCATE audit_record",
		"INSERT INTO audit_record SELECT * FROM audit_record ON CONFLICT (seq) DO UPDATE SET type = 'x'",
	} {
		var refused *pgconn.PgError
		_, err := b.Host.DB.Pool().Exec(t.Context(), sql)
		if !errors.As(err, &refused) || refused.Code != "TB000" {
			t.Errorf("%s: %v, want a refusal", sql, err)
		}
	}
	wantChain(t, b, 4)
	tamper(t, b, bodyEdit("99999999999", "99999999998")+" WHERE seq = 1")
	if _, err := audit.Verify(t.Context(), b.Host.DB, b.Host.Keys); !errors.Is(err, audit.ErrBroken) {
		t.Errorf("Verify after the amount was edited: %v", err)
	}
}

func TestTwiceAtOnceAndOutOfOrderRecordOnce(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	const records = 12
	list := make([]cloudevent.Event, records)
	for i := range list {
		list[i] = event(t, b, events.AccessRecorded{Function: fmt.Sprint("f", i)})
	}
	instances := []handler.FunctionHandler{b.Instance(t, auditonevent.Function), b.Instance(t, auditonevent.Function)}
	for _, got := range check.AtOnce(2*records, func(i int) int {
		return bank.DeliverTo(t, instances[i%2], list[records-1-i/2])
	}) {
		if got != http.StatusAccepted {
			t.Errorf("delivery answered %d", got)
		}
	}
	for _, e := range list {
		deliver(t, b, e)
	}
	wantChain(t, b, records)
}

// tamper changes records as only a database's owner can.
func tamper(t *testing.T, b *bank.Bank, sql string) {
	t.Helper()
	b.Exec(t, "ALTER TABLE audit_record DISABLE TRIGGER ALL; "+sql+"; ALTER TABLE audit_record ENABLE TRIGGER ALL")
}

func bodyEdit(from, to string) string {
	return "UPDATE audit_record SET body = convert_to(replace(convert_from(body, 'UTF8'), '" + from + "', '" + to + "'), 'UTF8')"
}

const madeUp = `INSERT INTO audit_record
SELECT %d, 'made up', type, subject, occurred_at, body, hash, hash, mac_key FROM audit_record WHERE seq = 5`

func TestTamperingShows(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"subject":         "UPDATE audit_record SET subject = 'other' WHERE seq = 3",
		"type":            "UPDATE audit_record SET type = 'other' WHERE seq = 3",
		"event":           "UPDATE audit_record SET event_id = 'other' WHERE seq = 3",
		"time":            "UPDATE audit_record SET occurred_at = occurred_at + interval '1 microsecond' WHERE seq = 3",
		"hash":            "UPDATE audit_record SET hash = sha256(hash) WHERE seq = 3",
		"previous hash":   "UPDATE audit_record SET prev_hash = sha256(prev_hash) WHERE seq = 3",
		"body":            bodyEdit("OK", "KO") + " WHERE seq = 3",
		"no JSON":         "UPDATE audit_record SET body = '' WHERE seq = 3",
		"first deleted":   "DELETE FROM audit_record WHERE seq = 1",
		"middle deleted":  "DELETE FROM audit_record WHERE seq = 3",
		"last deleted":    "DELETE FROM audit_record WHERE seq = 5",
		"end deleted":     "DELETE FROM audit_record WHERE seq >= 3",
		"all deleted":     "TRUNCATE audit_record",
		"gap closed":      "DELETE FROM audit_record WHERE seq = 3; UPDATE audit_record SET seq = seq - 1 WHERE seq > 3",
		"two exchanged":   "UPDATE audit_record SET seq = seq - 5 WHERE seq IN (2, 3); UPDATE audit_record SET seq = -seq WHERE seq < 0",
		"numbered anew":   "UPDATE audit_record SET seq = -seq; UPDATE audit_record SET seq = 1 - seq",
		"one made up":     fmt.Sprintf(madeUp, 6),
		"one put outside": fmt.Sprintf(madeUp, 0),
		"key's name":      "UPDATE audit_record SET mac_key = 'ledger/0' WHERE seq = 3",
		"no key":          "UPDATE audit_record SET mac_key = '' WHERE seq = 3",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bank.New(t)
			fill(t, b, 5)
			wantChain(t, b, 5)
			tamper(t, b, sql)
			if got, err := audit.Verify(t.Context(), b.Host.DB, b.Host.Keys); !errors.Is(err, audit.ErrBroken) {
				t.Fatalf("Verify = %+v, %v; want ErrBroken", got, err)
			}
		})
	}
}

// rewrite makes the chain anew without the key, as far as a database's owner can: each
// record gets the plain SM3 of the records of before the key.
func rewrite(t *testing.T, b *bank.Bank, from, to int64) {
	t.Helper()
	previous := make([]byte, 32)
	for seq := int64(1); seq <= to; seq++ {
		if seq >= from {
			body := check.Value[[]byte](t, b.Host.DB.Pool(), "SELECT body FROM audit_record WHERE seq = $1", seq)
			hash := sm.Digest(previous, binary.BigEndian.AppendUint64(nil, uint64(seq)), body)
			tamper(t, b, fmt.Sprintf(`UPDATE audit_record SET prev_hash = '\x%x', hash = '\x%x', mac_key = '' WHERE seq = %d`,
				previous, hash, seq))
		}
		previous = check.Value[[]byte](t, b.Host.DB.Pool(), "SELECT hash FROM audit_record WHERE seq = $1", seq)
	}
}

// A person who can write every table, but lacks the key, can't make a chain that holds.
func TestAChainWithoutTheKeyShows(t *testing.T) {
	t.Parallel()
	for name, forge := range map[string]func(*testing.T, *bank.Bank){
		"whole chain":   func(t *testing.T, b *bank.Bank) { t.Helper(); rewrite(t, b, 1, 5) },
		"the beginning": func(t *testing.T, b *bank.Bank) { t.Helper(); rewrite(t, b, 1, 3) },
		"the end":       func(t *testing.T, b *bank.Bank) { t.Helper(); rewrite(t, b, 3, 5) },
		"one in it":     func(t *testing.T, b *bank.Bank) { t.Helper(); rewrite(t, b, 3, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := bank.New(t)
			fill(t, b, 5)
			tamper(t, b, bodyEdit("OK", "KO")+" WHERE seq = 3")
			forge(t, b)
			if got, err := audit.Verify(t.Context(), b.Host.DB, b.Host.Keys); !errors.Is(err, audit.ErrBroken) {
				t.Fatalf("Verify = %+v, %v; want ErrBroken", got, err)
			}
		})
	}
	b := bank.New(t)
	fill(t, b, 5)
	if _, err := audit.Verify(t.Context(), b.Host.DB, keytest.New(t)); !errors.Is(err, audit.ErrBroken) {
		t.Errorf("under another key: %v", err)
	}
}

// Records of before the key hold once a record with a MAC covers them.
func TestRecordsOfBeforeTheKeyHold(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	fill(t, b, 3)
	rewrite(t, b, 1, 3)
	if _, err := audit.Verify(t.Context(), b.Host.DB, b.Host.Keys); !errors.Is(err, audit.ErrBroken) {
		t.Errorf("without any MAC: %v, want ErrBroken", err)
	}
	fill(t, b, 2)
	got, err := audit.Verify(t.Context(), b.Host.DB, b.Host.Keys)
	if err != nil || got.Length != 5 || got.Plain != 3 {
		t.Errorf("Verify = %+v, %v; want 5 records, 3 of them plain", got, err)
	}
	rewrite(t, b, 1, 2)
	tamper(t, b, bodyEdit("OK", "KO")+" WHERE seq = 2")
	rewrite(t, b, 1, 3)
	if _, err := audit.Verify(t.Context(), b.Host.DB, b.Host.Keys); !errors.Is(err, audit.ErrBroken) {
		t.Errorf("plain records made anew before a MAC: %v, want ErrBroken", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	forged := event(t, b, events.AccessRecorded{Outcome: "LOGIN_FAILED"})
	check.Must(t, forged.SetJSON(events.AccessRecorded{Outcome: "OK"}))
	for name, e := range map[string]cloudevent.Event{
		"seal": forged,
		"type": b.Event(t, uuid.NewString(), "com.tidebank.unknown.v1", "x", struct{}{}),
	} {
		if got := b.Deliver(t, auditonevent.Function, e); got != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", name, got)
		}
	}
	wantChain(t, b, 0)
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	if got := b.Deliver(t, auditonevent.Function, event(t, b, struct{}{})); got != http.StatusServiceUnavailable {
		t.Errorf("delivery answered %d, want 503", got)
	}
	if _, err := audit.Verify(t.Context(), b.Host.DB, b.Host.Keys); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("Verify without a database: %v", err)
	}
}

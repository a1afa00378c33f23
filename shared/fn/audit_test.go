package fn_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// audited answers notes. It refuses the note "no", with a reason that only audit is told.
func audited(name string, audit fn.Audit, about uuid.UUID) fn.Function {
	return declare(name, func(s *fn.Spec) { s.Audit, s.Audience = audit, fn.Customer },
		func(ctx context.Context, with given, request note) (note, error) {
			if request.Note == "no" {
				with.AuditReason("inner_reason", about)
				return note{}, risk.ErrRefused
			}
			return request, nil
		})
}

func records(t *testing.T, b *bank.Bank) []events.AccessRecorded {
	t.Helper()
	var list []events.AccessRecorded
	for _, e := range accesses(t, b) {
		var a events.AccessRecorded
		check.Must(t, json.Unmarshal(e.Data, &a))
		if a.Trace == "" || e.Subject != a.Function {
			t.Errorf("trace %q, subject %q", a.Trace, e.Subject)
		}
		if id, err := uuid.Parse(a.CustomerID); err == nil && e.CustomerHash != events.CustomerHash(id) {
			t.Errorf("hash %q is not that of %s", e.CustomerHash, id)
		}
		a.Trace = ""
		list = append(list, a)
	}
	return list
}

func TestCallsThatAuditWants(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, tt := range []struct {
		audit       fn.Audit
		ok, refused bool // is recorded
	}{
		{fn.AuditNone, false, false}, {fn.AuditRead, true, true}, {fn.AuditAuth, true, true}, {fn.AuditMoney, false, true},
	} {
		b := bank.On(t, db)
		check.Exec(t, db.Pool(), "TRUNCATE outbox")
		phone, wang := b.Device(t, "phone"), uuid.New()
		check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, wang))
		f := audited("test-audit", tt.audit, uuid.New()) // audit records who is logged in, not whom the call is about
		phone.Call(t, f, "", note{"yes"}).Want(t, "")
		refused := phone.Call(t, f, "", note{"no"})
		if refused.Want(t, "RISK_REFUSED"); strings.Contains(string(refused.Body), "inner_reason") {
			t.Errorf("%q: the reason was told: %s", tt.audit, refused.Body)
		}
		phone.Call(t, f, "", []any{}).Want(t, "INPUT_INVALID")
		var want []events.AccessRecorded
		a := events.AccessRecorded{
			Function: "test-audit", CustomerID: wang.String(), DeviceID: "phone", IP: phone.IP, Category: string(tt.audit),
		}
		if a.Outcome = "OK"; tt.ok {
			want = append(want, a)
		}
		if tt.refused {
			a.Outcome, a.Reason = "RISK_REFUSED", "inner_reason"
			want = append(want, a)
			a.Outcome, a.Reason = "INPUT_INVALID", ""
			want = append(want, a)
		}
		if diff := cmp.Diff(want, records(t, b)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.audit, diff)
		}
	}
}

// Without a login, the record names the customer whom the call is about.
func TestRecordsWithoutALogin(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	about := uuid.New()
	f := audited("test-audit", fn.AuditAuth, about)
	f.Spec.Audience = fn.Public
	public := declare("test-public", func(s *fn.Spec) { s.Audit = fn.AuditAuth },
		func(ctx context.Context, with given, _ note) (note, error) {
			with.AuditReason("password", about)
			return note{}, stepup.ErrProofRejected
		})
	phone := b.Device(t, "phone")
	phone.Call(t, f, "", note{"yes"}).Want(t, "SESSION_REQUIRED")
	phone.Call(t, public, "", note{}).Want(t, "PROOF_REJECTED")
	// A frame that doesn't open has no caller to record; it is logged and counted.
	forged := phone.Frame(t, public, "", note{})
	forged[len(forged)-1] ^= 1
	phone.Send(t, public, forged).Want(t, "FRAME_REJECTED")
	want := []events.AccessRecorded{
		{
			Function: "test-public", Outcome: "PROOF_REJECTED", Reason: "password", CustomerID: about.String(),
			DeviceID: "phone", IP: phone.IP, Category: "auth",
		},
		{
			Function: "test-audit", Outcome: "SESSION_REQUIRED", DeviceID: "phone", IP: phone.IP, Category: "auth", Count: 1,
			Since: bank.Start.UTC().Format(time.RFC3339), Channel: hex.EncodeToString(phone.Channel[:]),
		},
	}
	recordRefused(t, b)
	got := records(t, b)
	slices.SortFunc(got, func(a, b events.AccessRecorded) int { return strings.Compare(a.Outcome, b.Outcome) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The record names the proof that failed; the reply does not.
func TestRecordsOfFailedProofs(t *testing.T) {
	t.Parallel()
	u := newUser(t, bank.New(t), everything("test-everything"))
	wrong := u.order(t)
	wrong.Proofs[0] = u.proof(t, "another")
	reply := u.call(t, wrong)
	if reply.Want(t, "PROOF_REJECTED"); strings.Contains(string(reply.Body), "device_key") {
		t.Errorf("%s", reply.Body)
	}
	got := records(t, u.Bank)
	if len(got) != 1 || got[0].Reason != "device_key" || got[0].CustomerID != u.customer.ID.String() {
		t.Errorf("%+v", got)
	}
}

// A reply that can't be recorded is not sent. A refusal stays the same refusal.
func TestCallsThatCannotBeRecorded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		bank  func(*testing.T) *bank.Bank
		audit fn.Audit
		want  string
	}{
		{"down", func(t *testing.T) *bank.Bank { return bank.On(t, pgtest.Broken(t)) }, fn.AuditRead, "SERVICE_UNAVAILABLE"},
		{"down", func(t *testing.T) *bank.Bank { return bank.On(t, pgtest.Broken(t)) }, fn.AuditAuth, "SERVICE_UNAVAILABLE"},
		{"down", func(t *testing.T) *bank.Bank { return bank.On(t, pgtest.Broken(t)) }, fn.AuditMoney, ""},
		{"full", func(t *testing.T) *bank.Bank {
			b := bank.New(t)
			b.Exec(t, "ALTER TABLE outbox ADD CONSTRAINT full_up CHECK (false)")
			return b
		}, fn.AuditRead, "INTERNAL_ERROR"},
	} {
		b := tt.bank(t)
		phone := b.Device(t, "phone")
		check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, uuid.New()))
		f := audited("test-audit", tt.audit, uuid.Nil)
		reply := phone.Call(t, f, "", note{"what was read"})
		if reply.Code != tt.want || tt.want != "" && strings.Contains(string(reply.Body), "what was read") {
			t.Errorf("%s %q: %q %s, want %q", tt.name, tt.audit, reply.Code, reply.Body, tt.want)
		}
		phone.Call(t, f, "", note{"no"}).Want(t, "RISK_REFUSED")
	}
}

// A call that ran out of time is recorded too.
func TestRecordsOfLateCalls(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := declare("test-late", func(s *fn.Spec) { s.Audit, s.Timeout = fn.AuditRead, time.Second },
		func(ctx context.Context, _ given, _ note) (note, error) {
			<-ctx.Done()
			return note{}, ctx.Err()
		})
	b.Device(t, "phone").Call(t, f, "", note{}).Want(t, "SERVICE_UNAVAILABLE")
	if got := records(t, b); len(got) != 1 || got[0].Function != "test-late" {
		t.Errorf("%+v", got)
	}
}

func TestATimeoutHasOneCodeEverywhere(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	f := declare("test-late", func(s *fn.Spec) { s.Audit, s.Timeout = fn.AuditRead, 100*time.Millisecond },
		func(ctx context.Context, _ given, _ note) (note, error) {
			<-ctx.Done()
			return note{}, ctx.Err()
		})
	b.Device(t, "phone").Call(t, f, "", note{}).Want(t, "SERVICE_UNAVAILABLE")
	if got := records(t, b); len(got) != 1 || got[0].Outcome != "SERVICE_UNAVAILABLE" {
		t.Errorf("recorded %+v", got)
	}
	if got := fmt.Sprint(scrape(t, b, f)); !strings.Contains(got, `code="SERVICE_UNAVAILABLE"`) {
		t.Errorf("counted %s", got)
	}
}

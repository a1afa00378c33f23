package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/audit"
	auditonevent "github.com/tidebank/tidebank/functions/audit/onevent"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// A sound ledger is reported as sound, and a changed number or running balance is not.
func TestLedgerVerify(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	b.Customer(t, "王小明", 100)
	b.Customer(t, "李四", 200)
	got, err := verifyLedger(t.Context(), b.Host, &meter{out: io.Discard})
	if err != nil || got != "The ledger is sound: 2 postings." {
		t.Errorf("it says %q, %v", got, err)
	}
	for name, spoil := range map[string]string{
		"number": "UPDATE entry SET number = 2", "running balance": "UPDATE entry SET number = 1, balance_after = balance_after + 1",
	} {
		b.Exec(t, "ALTER TABLE entry DISABLE TRIGGER ALL; "+spoil+"; ALTER TABLE entry ENABLE TRIGGER ALL")
		got, err := verifyLedger(t.Context(), b.Host, &meter{out: io.Discard})
		if !errors.Is(err, errLedger) || exitCode(err) != exitFault {
			t.Errorf("wrong %s: it says %q, %v", name, got, err)
		}
	}
}

// The command tells the length and the last hash of a chain that holds, and that a
// changed chain does not hold.
func TestAuditVerify(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	for range 2 {
		e := b.Event(t, uuid.NewString(), events.TypeAccessRecorded, "x", events.AccessRecorded{Function: "x"})
		if got := b.Deliver(t, auditonevent.Function, e); got != http.StatusAccepted {
			t.Fatalf("delivery answered %d", got)
		}
	}
	last := check.Value[string](t, b.Host.DB.Pool(), "SELECT encode(hash, 'hex') FROM audit_record WHERE seq = 2")
	got, err := verifyAudit(t.Context(), b.Host, &meter{out: io.Discard})
	if err != nil || got != "The audit chain holds: 2 records (0 of before the key), last hash "+last+"." {
		t.Errorf("it says %q, %v", got, err)
	}
	b.Exec(t, "ALTER TABLE audit_record DISABLE TRIGGER ALL; UPDATE audit_record SET subject = 'y' WHERE seq = 1")
	got, err = verifyAudit(t.Context(), b.Host, &meter{out: io.Discard})
	if !errors.Is(err, audit.ErrBroken) || exitCode(err) != exitFault {
		t.Errorf("a changed chain: it says %q, %v", got, err)
	}
}

func TestVerifyCommandsHaveHelp(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"ledger", "audit", "evidence"} {
		if stdout, _, err := tide(what, "verify", "--help"); err != nil || !strings.Contains(stdout, "changes nothing") {
			t.Errorf("%s: %q, %v", what, stdout, err)
		}
	}
}

package login_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// records are the access records of log-ins since begin, without their traces.
func (w fixture) records(t *testing.T, begin time.Time) []events.AccessRecorded {
	t.Helper()
	var got []events.AccessRecorded
	for _, e := range w.Outbox(t, events.TypeAccessRecorded) {
		var r events.AccessRecorded
		check.Must(t, json.Unmarshal(e.Data, &r))
		if r.Function == identitylogin.Function.Spec.Name {
			if e.CreatedAt.Before(begin.Add(-time.Second)) || e.CreatedAt.After(time.Now().Add(time.Second)) {
				t.Errorf("recorded at %v, tried after %v", e.CreatedAt, begin)
			}
			r.Trace = ""
			got = append(got, r)
		}
	}
	return got
}

// record is what audit gets of a login from the phone.
func (w fixture) record(outcome, reason, customer string) events.AccessRecorded {
	return events.AccessRecorded{
		Function: "identity-login", Outcome: outcome, Reason: reason, CustomerID: customer,
		DeviceID: "phone-of-wang", IP: w.phone.IP, Category: "auth",
	}
}

// Only audit learns why each login failed, which customer it was of, and when the
// number was locked.
func TestAuditKnowsWhy(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-006.1")
	w, begin := newFixture(t), time.Now()
	wrong := w.request(t, w.phone, "not the password", w.ask(t, w.phone))
	unknown := wrong
	unknown.Phone = "13999999999"
	w.want(t, w.phone, unknown, "LOGIN_FAILED")
	code := w.request(t, w.phone, bank.LoginPassword, otptest.Wrong(wrong.OTP))
	w.want(t, w.phone, wrong, "LOGIN_FAILED")
	w.want(t, w.phone, code, "LOGIN_FAILED")
	w.want(t, w.phone, wrong, "LOGIN_FAILED")
	w.want(t, w.phone, wrong, "CAPTCHA_REQUIRED")
	w.want(t, w.phone, w.solved(t, w.phone, wrong), "LOGIN_FAILED")
	w.want(t, w.phone, w.solved(t, w.phone, wrong), "LOGIN_FAILED")
	w.want(t, w.phone, w.solved(t, w.phone, w.request(t, w.phone, bank.LoginPassword, wrong.OTP)), "LOGIN_FAILED")

	got := w.records(t, begin)
	wang := w.wang.ID.String()
	want := []events.AccessRecorded{
		w.record("LOGIN_FAILED", "unknown", ""),
		w.record("LOGIN_FAILED", "password", wang),
		w.record("LOGIN_FAILED", "otp", wang),
		w.record("LOGIN_FAILED", "password", wang),
		w.record("LOGIN_FAILED", "password", wang),
		w.record("LOGIN_FAILED", "password, now locked", wang),
		w.record("LOGIN_FAILED", "locked", wang),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("access records (-want +got):\n%s", diff)
	}
}

// Each lock of a number, and each end of one at the next attempt, stands in the
// record of the attempt, right or wrong. The operator's unlock is tested beside its
// command.
func TestAuditKnowsOfEachLockAndItsEnd(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-006.2")
	w, begin := newFixture(t), time.Now()
	wang := w.wang.ID.String()
	w.fail(t, 5)
	w.Advance(30 * time.Minute)
	w.want(t, w.phone, w.right(t, w.phone), "")
	w.fail(t, 5)
	w.Advance(30 * time.Minute)
	w.fail(t, 2)
	w.Advance(time.Minute)
	w.want(t, w.phone, w.right(t, w.phone), "")

	failed := func(reason string) events.AccessRecorded { return w.record("LOGIN_FAILED", reason, wang) }
	four := []events.AccessRecorded{failed("password"), failed("password"), failed("password"), failed("password")}
	want := slices.Concat(
		four, []events.AccessRecorded{failed("password, now locked"), w.record("OK", "lock ended", wang)},
		four, []events.AccessRecorded{failed("password, now locked"), failed("lock ended, password"), failed("password")},
		[]events.AccessRecorded{w.record("OK", "", wang)},
	)
	if diff := cmp.Diff(want, w.records(t, begin)); diff != "" {
		t.Errorf("access records (-want +got):\n%s", diff)
	}
}

// A number of no customer locks too, and audit records it.
func TestAuditKnowsOfTheLockOfNobodysNumber(t *testing.T) {
	t.Parallel()
	w, begin := newFixture(t), time.Now()
	w.wang.Phone = "13999999999"
	w.fail(t, 6)
	w.Advance(30 * time.Minute)
	w.fail(t, 1)
	var reasons []string
	for _, r := range w.records(t, begin)[4:] {
		reasons = append(reasons, r.Reason)
	}
	if diff := cmp.Diff([]string{"unknown, now locked", "unknown", "lock ended, unknown"}, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}

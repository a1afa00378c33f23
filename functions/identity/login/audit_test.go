package login_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/identity/login"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

// Audit, and nobody else, is told why each login failed, whose it was, and when
// the number was locked.
func TestAuditKnowsWhy(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-006.1")
	w, begin := newTown(t), time.Now()
	wrong := w.request(t, w.phone, "not the password", w.ask(t, w.phone))
	w.want(t, w.phone, login.Request{Phone: "13999999999", Password: wrong.Password, OTP: wrong.OTP}, "LOGIN_FAILED")
	code := w.request(t, w.phone, bank.LoginPassword, "not it")
	w.want(t, w.phone, wrong, "LOGIN_FAILED")
	w.want(t, w.phone, code, "LOGIN_FAILED")
	w.want(t, w.phone, wrong, "LOGIN_FAILED")
	w.want(t, w.phone, wrong, "CAPTCHA_REQUIRED")
	w.want(t, w.phone, w.solved(t, w.phone, wrong), "LOGIN_FAILED")
	w.want(t, w.phone, w.solved(t, w.phone, wrong), "LOGIN_FAILED")
	w.want(t, w.phone, w.solved(t, w.phone, w.request(t, w.phone, bank.LoginPassword, wrong.OTP)), "LOGIN_FAILED")

	var got []events.AccessRecorded
	for _, e := range w.Outbox(t, events.TypeAccessRecorded) {
		var r events.AccessRecorded
		if err := json.Unmarshal(e.Data, &r); err != nil {
			t.Fatal(err)
		}
		if r.Function == login.Function.Spec.Name {
			if e.CreatedAt.Before(begin.Add(-time.Second)) || e.CreatedAt.After(time.Now().Add(time.Second)) {
				t.Errorf("recorded at %v, tried after %v", e.CreatedAt, begin)
			}
			r.Trace = ""
			got = append(got, r)
		}
	}
	record := func(outcome, reason, customer string) events.AccessRecorded {
		return events.AccessRecorded{
			Function: "identity-login", Outcome: outcome, Reason: reason, CustomerID: customer,
			DeviceID: "phone-of-wang", IP: w.phone.IP, Category: "auth",
		}
	}
	wang := w.wang.ID.String()
	want := []events.AccessRecorded{
		record("LOGIN_FAILED", "unknown", ""),
		record("LOGIN_FAILED", "password", wang),
		record("LOGIN_FAILED", "otp", wang),
		record("LOGIN_FAILED", "password", wang),
		record("CAPTCHA_REQUIRED", "", ""),
		record("LOGIN_FAILED", "password", wang),
		record("LOGIN_FAILED", "password, now locked", wang),
		record("LOGIN_FAILED", "locked", wang),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("access records (-want +got):\n%s", diff)
	}
}

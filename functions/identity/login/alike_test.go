package login_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// trace is everything that one call left behind, in each place that can be read.
type trace struct {
	Status int
	Code   string
	Header http.Header
	Body   string
	Rows   map[string]int // by table, how many more
	Access []string       // the access records
	Log    []string
	Redis  int // keys
}

var (
	// Only audit reads the customer and the reason (AUDIT-006).
	inside = regexp.MustCompile(`"(reason|customer_id)":\s*"[^"]*"`)
	// The time and the phone's sequence differ between any two calls.
	logTime = regexp.MustCompile(`"time":"[^"]*",|"sequence":\d+,`)
)

func (w fixture) rows(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, table := range w.Tables(t) {
		counts[table] = w.Count(t, "SELECT count(*) FROM "+table)
	}
	return counts
}

// observe makes a call and returns its traces.
func (w fixture) observe(t *testing.T, call func() bank.Reply) trace {
	t.Helper()
	before, logged, records := w.rows(t), len(w.Log.String()), len(w.Outbox(t, events.TypeAccessRecorded))
	keys := len(w.Redis.Keys())
	reply := call()
	got := trace{
		Status: reply.Status, Code: reply.Code, Header: reply.Header, Rows: map[string]int{},
		Body: bank.Untraced(string(reply.Body)), Redis: len(w.Redis.Keys()) - keys,
	}
	for table, n := range w.rows(t) {
		if n != before[table] {
			got.Rows[table] = n - before[table]
		}
	}
	for _, e := range w.Outbox(t, events.TypeAccessRecorded)[records:] {
		got.Access = append(got.Access, e.Subject+inside.ReplaceAllString(bank.Untraced(string(e.Data)), ""))
	}
	for line := range strings.Lines(w.Log.String()[logged:]) {
		got.Log = append(got.Log, bank.Untraced(logTime.ReplaceAllString(line, "")))
	}
	return got
}

// lock is a number's counters as five or ten failures left them.
func (w fixture) lock(t *testing.T, number string, until *time.Time, frozen bool) {
	t.Helper()
	w.lockIndex(t, customer.PhoneIndex(w.Host.Keys, number), until, frozen)
}

func (w fixture) lockIndex(t *testing.T, index []byte, until *time.Time, frozen bool) {
	t.Helper()
	now := w.Clock.Now()
	w.Exec(t, `INSERT INTO login_attempt (phone_bidx, day, locked_until, frozen) VALUES ($1, $2, $3, $4)`,
		index, clock.BusinessDay(now), until, frozen)
}

// alias gives a customer an alias, as the bank finds it.
func (w fixture) alias(t *testing.T, c seed.Customer, alias string) {
	t.Helper()
	w.Exec(t, "UPDATE customer SET alias_bidx = $2 WHERE id = $1", c.ID, customer.LoginIndex(w.Host.Keys, "", alias))
}

// Neither the answer nor the bank's records tell whether a number or an alias has an account, or
// which part of a login was wrong. The test asks for a code and fails to log in, for
// every kind of number and failure.
func TestFailuresAreAlike(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUDIT-006.3")
	req.Covers(t, "AUTH-009.1", "AUTH-009.2")
	w := newFixture(t)
	half := w.Clock.Now().Add(30 * time.Minute)
	stranger := w.request(t, w.phone, "x", "")
	stranger.Phone = "13999999999"
	w.want(t, w.phone, stranger, "LOGIN_FAILED") // the first call of a minute leaves a counter of rate
	otptest.Ask(t, w.Bank, w.phone, otp.Login, stranger.Phone)
	var sent, failed *trace
	for i, tt := range []struct {
		name             string
		customer, signed bool
		locked           *time.Time
		frozen           bool
		noCode           bool // asked for
		password         string
		right            bool // the code
		alias            bool // in place of the number
	}{
		{name: "unknown number", password: bank.LoginPassword, right: true},
		{name: "unknown number, wrong code", password: bank.LoginPassword},
		{name: "never signed up", customer: true, password: bank.LoginPassword, right: true},
		{name: "wrong password", customer: true, signed: true, password: "not-it-2026", right: true},
		{name: "no password", customer: true, signed: true, right: true},
		{name: "wrong code", customer: true, signed: true, password: bank.LoginPassword},
		{name: "both wrong", customer: true, signed: true, password: "not-it-2026"},
		{name: "no code asked for", customer: true, signed: true, noCode: true, password: bank.LoginPassword},
		{name: "no code asked for, unknown number", noCode: true, password: bank.LoginPassword},
		{name: "locked", customer: true, signed: true, locked: &half, password: bank.LoginPassword, right: true},
		{name: "locked, unknown number", locked: &half, password: bank.LoginPassword, right: true},
		{name: "frozen", customer: true, signed: true, frozen: true, password: bank.LoginPassword, right: true},
		{name: "unknown alias", password: bank.LoginPassword, right: true, alias: true},
		{name: "alias, never signed up", customer: true, password: bank.LoginPassword, right: true, alias: true},
		{name: "alias, wrong password", customer: true, signed: true, password: "not-it-2026", right: true, alias: true},
		{name: "alias, wrong code", customer: true, signed: true, password: bank.LoginPassword, alias: true},
		{name: "alias, no code asked for", customer: true, signed: true, noCode: true, password: bank.LoginPassword, alias: true},
		{name: "alias, locked", customer: true, signed: true, locked: &half, password: bank.LoginPassword, right: true, alias: true},
	} {
		number := fmt.Sprintf("139000000%02d", i)
		var c seed.Customer
		switch {
		case tt.signed:
			c = w.customer(t, "李四")
		case tt.customer:
			c = w.Customer(t, "李四", 0)
		}
		if tt.customer {
			number = c.Phone
		}
		index, alias := customer.PhoneIndex(w.Host.Keys, number), ""
		if tt.alias {
			number, alias = "", fmt.Sprint("tide.fan-", i)
			if w.alias(t, c, alias); !tt.customer {
				index = customer.LoginIndex(w.Host.Keys, "", alias)
			}
		}
		w.lockIndex(t, index, tt.locked, tt.frozen)
		code := "000000"
		if !tt.noCode {
			request := otptest.Request(t, w.Bank, w.phone, otp.Login, number)
			subject := otptest.Subject(t, w.Bank, w.phone, otp.Login, number)
			if tt.alias {
				request, subject = otptest.AliasRequest(t, w.Bank, w.phone, alias), otptest.AliasSubject(t, w.Bank, w.phone, alias)
			}
			got := w.observe(t, func() bank.Reply { return w.phone.Call(t, otpsend.Function, "", request) })
			code = otptest.Code(t, w.Bank, subject)
			if sent == nil {
				sent = &got
			}
			if diff := cmp.Diff(*sent, got); diff != "" {
				t.Errorf("%s: asking for a code (-others +this):\n%s", tt.name, diff)
			}
		}
		if !tt.right {
			code = otptest.Wrong(code)
		}
		guess := w.request(t, w.phone, tt.password, code)
		guess.Phone, guess.Alias = number, alias
		got := w.observe(t, func() bank.Reply { return w.phone.Call(t, identitylogin.Function, "", guess) })
		if failed == nil {
			failed = &got
		}
		if diff := cmp.Diff(*failed, got); diff != "" {
			t.Errorf("%s: logging in (-others +this):\n%s", tt.name, diff)
		}
	}
	if failed.Code != "LOGIN_FAILED" || !strings.Contains(failed.Body, `"title":"用户名或密码、验证码错误"`) {
		t.Errorf("the failures were %s", failed.Body)
	}
	if len(failed.Log) != 1 || len(failed.Access) != 1 {
		t.Errorf("a failure left %d log lines and %d records, want one each", len(failed.Log), len(failed.Access))
	}
	for _, secret := range []string{"13900000000", w.wang.Phone, bank.LoginPassword, "tide.fan"} {
		if strings.Contains(w.Log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}

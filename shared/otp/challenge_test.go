package otp_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

var (
	issued  = time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai)
	errUsed = bankerr.New(bankerr.Refused, "PROOF_REJECTED")
)

// The policy's figures.
const (
	tries = 5
	life  = time.Minute
)

const device = "device-1"

// origin stands for the digest of the caller's origin.
var origin = []byte("origin-1")

// fixture issues codes and takes guesses at them.
type fixture struct {
	t    *testing.T
	db   *pg.DB
	ring *keys.Ring
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{t, pgtest.New(t), keytest.New(t)}
}

// challenge is a login code for a number, asked for on device-1.
func (d fixture) challenge(purpose, number string) otp.Challenge {
	index := customer.PhoneIndex(d.ring, number)
	someone := uuid.New()
	return otp.Challenge{
		Subject: otp.PhoneSubject(purpose, index, origin), Purpose: purpose, Phone: index, CustomerID: &someone,
		DeviceID: device, Binding: customer.PhoneBinding(purpose, index, origin), Quotas: []otp.Quota{otp.KnownQuota(origin)},
	}
}

func (d fixture) issue(c otp.Challenge, at time.Time) error {
	var unit pg.Unit
	otp.Issue(&unit, c, at)
	return d.db.Commit(d.t.Context(), &unit)
}

// sent is the code that the customer gets.
func (d fixture) sent(c otp.Challenge) string {
	d.t.Helper()
	var found otp.Issued
	check.Must(d.t, found.Scan(d.db.Pool().QueryRow(d.t.Context(), otp.LoadSQL, c.Subject)))
	if found.Purpose != c.Purpose || found.CustomerID == nil || *found.CustomerID != *c.CustomerID {
		d.t.Fatalf("stored as %+v, issued as %+v", found, c)
	}
	return found.Code(d.ring)
}

func (d fixture) guess(subject string, binding []byte, code string, at time.Time) (*otp.Attempt, bool) {
	a := &otp.Attempt{Subject: subject, DeviceID: device, Binding: binding, Code: code}
	return a, d.count(a, at)
}

// count counts the attempt, and returns whether its code is right.
func (d fixture) count(a *otp.Attempt, at time.Time) bool {
	var batch pgx.Batch
	a.CountAttempt(&batch, at)
	if err := d.db.Pool().SendBatch(d.t.Context(), &batch).Close(); err != nil {
		d.t.Error(err)
	}
	return a.Right(d.ring)
}

func (d fixture) use(try *otp.Attempt, at time.Time) error {
	var unit pg.Unit
	try.Use(&unit, at, errUsed)
	return d.db.Commit(d.t.Context(), &unit)
}

func TestLifeOfACode(t *testing.T) {
	t.Parallel()
	db, url := pgtest.NewURL(t)
	d := fixture{t, db, keytest.New(t)}
	second, err := pg.Open(t.Context(), pg.Config{URL: url, MaxConns: 2})
	check.Must(t, err)
	t.Cleanup(second.Close)
	elsewhere := fixture{t, second, d.ring} // another instance
	for i, tt := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true},
		{59 * time.Second, true},
		{60*time.Second - time.Millisecond, true},
		{60 * time.Second, false},
		{61 * time.Second, false},
		{24 * time.Hour, false},
	} {
		c := d.challenge(otp.Login, fmt.Sprintf("1380001%04d", i))
		check.Must(t, d.issue(c, issued))
		if _, right := elsewhere.guess(c.Subject, c.Binding, d.sent(c), issued.Add(tt.after)); right != tt.want {
			t.Errorf("after %v: right is %v", tt.after, right)
		}
	}
	req.Covers(t, "OTP-001.1")
}

// Each guess is counted before it is compared: the sixth fails though it is right.
func TestTriesOfACode(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, wrong := range []int{0, tries - 1, tries} {
		c := d.challenge(otp.Login, fmt.Sprintf("1380002%04d", wrong))
		check.Must(t, d.issue(c, issued))
		code := d.sent(c)
		for range wrong {
			if _, right := d.guess(c.Subject, c.Binding, other(code), issued); right {
				t.Error("a wrong code is right")
			}
		}
		if _, right := d.guess(c.Subject, c.Binding, code, issued); right != (wrong < tries) {
			t.Errorf("after %d wrong ones: right is %v", wrong, right)
		}
	}
}

// other is another code of six digits.
func other(code string) string {
	last := '0' + (code[5]-'0'+1)%10
	return code[:5] + string(rune(last))
}

func TestCodeIsForItsSubjectAndBindingOnly(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	login, register := d.challenge(otp.Login, "13800010001"), d.challenge(otp.Register, "13800010001")
	stranger := d.challenge(otp.Login, "13800010002")
	for _, c := range []otp.Challenge{login, register, stranger} {
		check.Must(t, d.issue(c, issued))
	}
	code := d.sent(login)
	elsewhere := customer.PhoneBinding(otp.Login, login.Phone, []byte("origin-2"))
	for name, try := range map[string]struct {
		subject string
		binding []byte
		code    string
	}{
		"for another purpose":       {register.Subject, register.Binding, code},
		"for another number":        {stranger.Subject, stranger.Binding, code},
		"on another device":         {login.Subject, elsewhere, code},
		"binding of another":        {login.Subject, register.Binding, code},
		"no binding":                {login.Subject, nil, code},
		"an unknown subject":        {"login:00", login.Binding, code},
		"no code":                   {login.Subject, login.Binding, ""},
		"a space":                   {login.Subject, login.Binding, code + " "},
		"code of the other subject": {login.Subject, login.Binding, d.sent(register)},
	} {
		d.reset(login)
		if _, right := d.guess(try.subject, try.binding, try.code, issued); right {
			t.Errorf("%s: right", name)
		}
	}
	d.reset(login)
	if _, right := d.guess(login.Subject, login.Binding, code, issued); !right {
		t.Error("the code itself is wrong")
	}
	if (fixture{t, d.db, keytest.New(t)}).sent(login) == code {
		t.Error("another bank's keys give the same code")
	}
}

// reset sets the counted tries to 0.
func (d fixture) reset(c otp.Challenge) {
	d.t.Helper()
	check.Exec(d.t, d.db.Pool(), "UPDATE otp_challenge SET tries = 0 WHERE subject = $1", c.Subject)
}

func TestRightNeedsAChallenge(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, binding := range [][]byte{[]byte("binding"), nil} {
		code := otp.Compute(d.ring, make([]byte, 16), binding, time.Time{}) // of a challenge that is not stored
		if _, right := d.guess("login:00", binding, code, issued); right {
			t.Errorf("right for binding %q, though no code was issued", binding)
		}
	}
}

// A code is compared under the binding that was stored, not under that of the guess.
func TestCodeOfABindingThatWasNotIssued(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	c := d.challenge(otp.Login, "13800010001")
	check.Must(t, d.issue(c, issued))
	nonce := check.Value[[]byte](t, d.db.Pool(), "SELECT nonce FROM otp_challenge WHERE subject = $1", c.Subject)
	foreign := customer.PhoneBinding(otp.Login, c.Phone, []byte("origin-2"))
	if _, right := d.guess(c.Subject, foreign, otp.Compute(d.ring, nonce, foreign, issued), issued); right {
		t.Error("right")
	}
}

func TestCodeIsUsedOnce(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	c := d.challenge(otp.Login, "13800010001")
	check.Must(t, d.issue(c, issued))
	code := d.sent(c)
	var used, lost atomic.Int32
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			try, right := d.guess(c.Subject, c.Binding, code, issued)
			if !right {
				return
			}
			switch err := d.use(try, issued); {
			case err == nil:
				used.Add(1)
			case errors.Is(err, errUsed):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if used.Load() != 1 || lost.Load() >= tries {
		t.Errorf("of 50 with the right code %d used it, %d lost the race for it", used.Load(), lost.Load())
	}
	d.reset(c)
	if _, right := d.guess(c.Subject, c.Binding, code, issued); right {
		t.Error("a used code is right again")
	}

	later := issued.Add(life)
	check.Must(t, d.issue(c, later))
	earlier := d.sent(c)
	stale, right := d.guess(c.Subject, c.Binding, earlier, later)
	if !right {
		t.Error("the second code is wrong")
	}
	latest := later.Add(life)
	check.Must(t, d.issue(c, latest))
	if _, right := d.guess(c.Subject, c.Binding, earlier, latest); right {
		t.Error("an earlier code is right after a new one was issued")
	}
	if err := d.use(stale, latest); !errors.Is(err, errUsed) {
		t.Errorf("using an earlier code after a new one was issued: %v, want the refusal", err)
	}
	req.Covers(t, "OTP-002.2")
}

// Guesses from another device, or of another customer, are not counted. They can't use
// up the tries of the device that asked for the code.
func TestStrangersUseUpNoTries(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	c := d.challenge(otp.Login, "13800010001")
	check.Must(t, d.issue(c, issued))
	code, stranger := d.sent(c), uuid.New()
	for name, a := range map[string]otp.Attempt{
		"another device":                  {DeviceID: "device-2"},
		"no device":                       {},
		"another device, same customer":   {DeviceID: "device-2", CustomerID: c.CustomerID},
		"another customer on this device": {DeviceID: device, CustomerID: &stranger},
		"no customer on this device":      {DeviceID: device, CustomerID: &uuid.Nil},
	} {
		a.Subject, a.Binding, a.Code = c.Subject, c.Binding, code
		for range tries {
			if d.count(&a, issued) {
				t.Errorf("%s: the code is right", name)
			}
		}
		if n := d.counted(c); n != 0 {
			t.Errorf("%s: %d tries were counted", name, n)
		}
	}
	own := otp.Attempt{Subject: c.Subject, DeviceID: device, CustomerID: c.CustomerID, Binding: c.Binding, Code: code}
	if !d.count(&own, issued) || d.counted(c) != 1 {
		t.Errorf("the customer's own code is wrong, or was counted %d times", d.counted(c))
	}
}

func (d fixture) counted(c otp.Challenge) int {
	d.t.Helper()
	return check.Count(d.t, d.db.Pool(), "SELECT tries FROM otp_challenge WHERE subject = $1", c.Subject)
}

// A batch that was rolled back may be sent again, and then find that the code's
// tries have run out.
func TestTheLastCountDecides(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	c := d.challenge(otp.Login, "13800010001")
	check.Must(t, d.issue(c, issued))
	a := otp.Attempt{Subject: c.Subject, DeviceID: device, Binding: c.Binding, Code: d.sent(c)}
	var batch pgx.Batch
	a.CountAttempt(&batch, issued)
	check.Must(t, d.db.QueryBatch(t.Context(), &batch))
	if !a.Right(d.ring) {
		t.Error("the code is wrong")
	}
	check.Exec(d.t, d.db.Pool(), "UPDATE otp_challenge SET tries = max_tries")
	check.Must(t, d.db.QueryBatch(t.Context(), &batch))
	if a.Right(d.ring) {
		t.Error("the code is right though its tries have run out")
	}
}

// Without its figure of the policy, no code is issued.
func TestNoFigureNoCode(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"otp.tries", "otp.day_max", "otp.life_seconds", "otp.resend_seconds"} {
		d := newFixture(t)
		check.Exec(d.t, d.db.Pool(), "DELETE FROM policy WHERE name = $1", name)
		if err := d.issue(d.challenge(otp.Login, "13800010001"), issued); err == nil {
			t.Errorf("a code was issued without %s", name)
		}
	}
	d := newFixture(t)
	check.Exec(d.t, d.db.Pool(), "DELETE FROM policy WHERE name = 'otp.resend_seconds'")
	if _, err := otp.ReadTerms(t.Context(), d.db.Reader(), issued); err == nil {
		t.Error("terms were read without their figure")
	}
}

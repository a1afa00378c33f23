package login_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identitypasswordreset "github.com/tidebank/tidebank/functions/identity/passwordreset"
	identityregister "github.com/tidebank/tidebank/functions/identity/register"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// robot tries account after account, with a password and a code that are wrong.
type robot struct {
	fixture
	phone *bank.Device
	tried int // accounts
}

// The bounds of the tests: of an address, and of a network.
const captchaAfter, slowAfter, blockAfter, networkTimes = 3, 6, 9, 3

func (w fixture) robot(t *testing.T) *robot {
	t.Helper()
	for name, value := range map[string]int{
		"login.address_captcha_after": captchaAfter, "login.address_slow_after": slowAfter, "login.address_block_after": blockAfter,
		"login.network_times": networkTimes,
	} {
		w.Exec(t, "UPDATE policy SET value = $2 WHERE name = $1", name, value)
	}
	r := &robot{fixture: w, phone: w.Device(t, "robot")}
	r.phone.IP = "198.51.100.1"
	return r
}

// try tries the next account, with or without a solved graphic code.
func (r *robot) try(t *testing.T, solves bool) bank.Reply {
	t.Helper()
	r.tried++
	request := r.request(t, r.phone, "guess-2026x", "")
	request.Phone = fmt.Sprintf("139%08d", r.tried)
	if solves {
		request.CaptchaID, request.CaptchaAnswer = captchatest.Solved(t, r.Bank, r.phone), captchatest.Answer
	}
	return r.phone.Call(t, identitylogin.Function, "", request)
}

// slowed wants the answer to a robot that must wait for so many seconds.
func slowed(t *testing.T, got bank.Reply, seconds int) {
	t.Helper()
	if got.Want(t, "RATE_LIMITED"); got.Problem.RetryAfter != seconds {
		t.Errorf("retry after %d s, want %d", got.Problem.RetryAfter, seconds)
	}
}

// logsIn logs the customer in from an address; on the own phone, whose key is bound, also from that of a robot.
func (r *robot) logsIn(t *testing.T, d *bank.Device, ip string, solves bool) {
	t.Helper()
	before := d.IP
	d.IP = ip
	request := r.right(t, d)
	if solves {
		request = r.solved(t, d, request)
	}
	r.want(t, d, request, "")
	d.IP = before
}

// A script that tries account after account from one address meets a graphic code, is slowed, and is blocked for an hour, also
// if it solves every graphic code, and if Redis loses its counts. Customers at other addresses notice nothing, nor does one on
// a bound device behind the same address.
func TestARobotIsSlowedAndBlocked(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-002.1")
	w := newFixture(t)
	own := w.Device(t, "phone-of-wang")
	own.LoginAs(t, w.wang)
	r := w.robot(t)
	for range captchaAfter {
		r.try(t, false).Want(t, "LOGIN_FAILED")
	}
	r.try(t, false).Want(t, "CAPTCHA_REQUIRED")
	for range slowAfter - captchaAfter {
		r.try(t, true).Want(t, "LOGIN_FAILED")
	}
	slowed(t, r.try(t, true), 10)
	w.Redis.FlushAll()
	r.phone.Reopen(t)
	own.Reopen(t)
	slowed(t, r.try(t, true), 10) // Redis counts none of its failures now
	for range blockAfter - slowAfter {
		w.Advance(10 * time.Second)
		r.try(t, true).Want(t, "LOGIN_FAILED")
		r.try(t, true).Want(t, "RATE_LIMITED")
	}
	slowed(t, r.try(t, true), 3600)
	w.Advance(10 * time.Second)
	slowed(t, r.try(t, true), 3590)
	r.logsIn(t, own, r.phone.IP, true)
	r.logsIn(t, w.Device(t, "new-phone"), "203.0.113.8", false)
	w.Advance(time.Hour - 10*time.Second)
	r.phone.Reopen(t)
	r.try(t, true).Want(t, "LOGIN_FAILED")
}

// A script that spreads its attempts over the addresses of a network meets the same, although no address has failed often
// enough to be slowed.
func TestARobotOfManyAddressesIsSlowedAndBlocked(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-002.2")
	w := newFixture(t)
	r := w.robot(t)
	asked, failed := 0, 0
	next := func() bank.Reply {
		r.phone.IP = fmt.Sprintf("198.51.100.%d", 1+r.tried%5)
		got := r.try(t, false)
		if got.Code == "CAPTCHA_REQUIRED" {
			asked++
			got = r.try(t, true)
		}
		if got.Code == "LOGIN_FAILED" {
			failed++
		}
		return got
	}
	for failed < slowAfter*networkTimes {
		next().Want(t, "LOGIN_FAILED")
	}
	if asked == 0 {
		t.Error("no address was asked for a graphic code")
	}
	slowed(t, next(), 10)
	for failed < blockAfter*networkTimes {
		w.Advance(10 * time.Second)
		next().Want(t, "LOGIN_FAILED")
		next().Want(t, "RATE_LIMITED")
	}
	slowed(t, next(), 3600)
	r.logsIn(t, w.Device(t, "new-phone"), "203.0.113.8", false)
}

// Sign-ups and resets from one address are slowed and blocked like log-ins, also if each graphic code is solved.
func TestRobotsOfSignUpsAndResets(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-002.4")
	for name, tt := range map[string]struct {
		refusal string
		try     func(t *testing.T, r *robot, id string) bank.Reply
	}{
		"sign-ups": {"REGISTRATION_REFUSED", func(t *testing.T, r *robot, id string) bank.Reply {
			t.Helper()
			request := r.phone.SignUp(t, r.wang, "000000")
			request.CaptchaID, request.CaptchaAnswer = id, captchatest.Answer
			return r.phone.Call(t, identityregister.Function, uuid.NewString(), request)
		}},
		"resets": {"RESET_REFUSED", func(t *testing.T, r *robot, id string) bank.Reply {
			t.Helper()
			request := r.phone.ResetPassword(t, r.wang, "000000", "moon-2027y")
			request.CaptchaID, request.CaptchaAnswer = id, captchatest.Answer
			return r.phone.Call(t, identitypasswordreset.Function, uuid.NewString(), request)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t).robot(t)
			next := func() bank.Reply { return tt.try(t, r, captchatest.Solved(t, r.Bank, r.phone)) }
			for range slowAfter {
				next().Want(t, tt.refusal)
			}
			r.phone.Reopen(t) // a new channel has no calls in this minute
			slowed(t, next(), 10)
			for range blockAfter - slowAfter {
				r.Advance(10 * time.Second)
				next().Want(t, tt.refusal)
			}
			slowed(t, next(), 3600)
		})
	}
}

// Invented answers to graphic codes do not use up the one attempt of a slowed address.
func TestAWrongCodeTakesNoTurn(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.robot(t)
	for i := range slowAfter {
		r.try(t, i >= captchaAfter).Want(t, "LOGIN_FAILED")
	}
	w.Advance(10 * time.Second)
	invented := r.request(t, r.phone, "guess-2026x", "")
	invented.CaptchaID, invented.CaptchaAnswer = "00000000-0000-4000-8000-000000000000", captchatest.Answer
	r.phone.Call(t, identitylogin.Function, "", invented).Want(t, "CAPTCHA_REJECTED")
	r.try(t, true).Want(t, "LOGIN_FAILED")
}

// An attempt that waits for its slowed address uses up no turn of the slowed network.
func TestAWaitingAddressTakesNoTurnOfItsNetwork(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.robot(t)
	w.Exec(t, "UPDATE policy SET value = 1 WHERE name = 'login.network_times'")
	for i := range slowAfter {
		r.try(t, i >= captchaAfter).Want(t, "LOGIN_FAILED")
	}
	w.Advance(10 * time.Second)
	w.Exec(t, "UPDATE login_source SET last_at = $1 WHERE source = (SELECT source FROM login_source LIMIT 1)", w.Clock.Now())
	slowed(t, r.try(t, true), 10)
	if n := w.Count(t, "SELECT count(*) FROM login_source WHERE last_at = $1", w.Clock.Now()); n != 1 {
		t.Errorf("%d sources have given a turn, want only the one before", n)
	}
}

// Of several attempts at once, a slowed address gets one through.
func TestASlowedAddressGetsOneThrough(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := w.robot(t)
	for i := range slowAfter {
		r.try(t, i >= captchaAfter).Want(t, "LOGIN_FAILED")
	}
	w.Advance(10 * time.Second)
	codes := map[string]int{}
	for _, got := range r.atOnce(t, 8) {
		codes[got.Code]++
	}
	if codes["LOGIN_FAILED"] != 1 || codes["RATE_LIMITED"] != 7 {
		t.Errorf("the answers: %v", codes)
	}
}

// atOnce tries so many accounts at once.
func (r *robot) atOnce(t *testing.T, n int) []bank.Reply {
	t.Helper()
	var frames [][]byte
	for range n {
		r.tried++
		request := r.solved(t, r.phone, r.request(t, r.phone, "guess-2026x", ""))
		request.Phone = fmt.Sprintf("139%08d", r.tried)
		frames = append(frames, r.phone.Frame(t, identitylogin.Function, "", request))
	}
	return check.AtOnce(n, func(i int) bank.Reply { return r.phone.Send(t, identitylogin.Function, frames[i]) })
}

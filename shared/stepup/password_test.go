package stepup_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
)

var passwordOnly = only(stepup.TradePassword)

const lock = 30 * time.Minute

// fail makes n wrong guesses at the trade password.
func (p phone) fail(t *testing.T, n int) {
	t.Helper()
	in := p.intent(t, passwordOnly)
	for i := range n {
		_, err := p.confirm(t, in, p.password(t, fmt.Sprintf("%06d", i)))
		want(t, "a wrong password", err, stepup.ErrProofRejected)
	}
}

// pass presents the right password, and does not consume.
func (p phone) pass(t *testing.T) (*stepup.Verified, error) {
	t.Helper()
	return p.confirm(t, p.intent(t, passwordOnly), p.password(t, tradePassword))
}

func TestPasswordsThatAreNone(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	seal := func(key keys.Purpose, clear []byte) []byte {
		sealed, err := sm.Encrypt(d.ring.Public(key), clear)
		check.Must(t, err)
		return sealed
	}
	p := d.phone(t)
	elsewhere := p
	elsewhere.channel[15] ^= 1
	good := p.password(t, tradePassword).Password
	unsealed := map[string]bool{
		"sealed for another channel": true, "sealed without a channel": true, "sealed with half a channel": true,
		"sealed to another key": true, "not sealed": true, "missing": true, "of noise": true, "without its last byte": true,
	}
	malformed := map[string]bool{
		"without its last digit": true, "with a digit more": true, "of 500 digits": true, "of letters": true, "in groups": true,
		"in Arabic digits": true, "empty": true, "for login": true,
	}
	for name, sealed := range map[string][]byte{
		"wrong":                      p.password(t, "739165").Password,
		"in other digits, wrong":     p.password(t, "７３９１６５").Password,
		"without its last digit":     p.password(t, tradePassword[:5]).Password,
		"with a digit more":          p.password(t, tradePassword+"0").Password,
		"of 500 digits":              p.password(t, strings.Repeat("7", 500)).Password,
		"of letters":                 p.password(t, "abc").Password,
		"in groups":                  p.password(t, "739 164").Password,
		"in Arabic digits":           p.password(t, "٧٣٩١٦٤").Password,
		"empty":                      p.password(t, "").Password,
		"for login":                  p.password(t, "tide-2026x").Password,
		"sealed for another channel": elsewhere.password(t, tradePassword).Password,
		"sealed without a channel":   seal(keys.Password, []byte(tradePassword)),
		"sealed with half a channel": seal(keys.Password, append(bytes.Clone(p.channel[:8]), tradePassword...)),
		"sealed to another key":      seal(keys.Channel, append(p.channel[:], tradePassword...)),
		"not sealed":                 append(p.channel[:], tradePassword...),
		"missing":                    nil,
		"of noise":                   randomBytes(len(good)),
		"without its last byte":      good[:len(good)-1],
	} {
		p.resetAttempts(t)
		_, err := p.confirm(t, p.intent(t, passwordOnly), stepup.Proof{Factor: stepup.TradePassword, Password: sealed})
		refusal, counted := stepup.ErrProofRejected, 1
		if unsealed[name] {
			refusal, counted = password.ErrUnsealed, 0
		}
		if malformed[name] {
			refusal, counted = bankerr.ErrInput, 0
		}
		want(t, "a password "+name, err, refusal)
		if got := p.failures(t); got != counted {
			t.Errorf("a password %s: %d failures stand, want %d", name, got, counted)
		}
	}
	_, err := p.pass(t)
	want(t, "the right password", err, nil)
	_, err = p.confirm(t, p.intent(t, passwordOnly), p.password(t, fullWidth(tradePassword)))
	want(t, "the right password in full-width digits", err, nil)
}

func fullWidth(number string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, number)
}

// A process that did not declare the purpose is at fault, not the customer.
func TestAPasswordWithoutItsKey(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in, proof := p.intent(t, passwordOnly), p.password(t, tradePassword)
	p.ring = p.ring.Only()
	_, err := p.confirm(t, in, proof)
	if !errors.Is(err, keys.ErrPurpose) || bankerr.From(err).Kind() != bankerr.Internal {
		t.Errorf("%v, want an internal error", err)
	}
}

// A password that does not open is the app's fault: neither it nor the code beside it is
// counted, and a locked password gives the same answer.
func TestAnUnsealedPasswordIsNotCounted(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	elsewhere := p
	elsewhere.channel[15] ^= 1
	in := p.intent(t)
	for range 6 {
		_, err := p.confirm(t, in, off(p.code(t, in)), elsewhere.password(t, tradePassword))
		want(t, "a password for another channel", err, password.ErrUnsealed)
		var field *bankerr.FieldError
		if !errors.As(err, &field) || field.Field != "proofs[1].password" {
			t.Errorf("the field is %+v", field)
		}
		if got, tries := p.failures(t), p.tries(t, in); got != 0 || tries != 0 {
			t.Errorf("%d guesses at the password and %d at the code are counted", got, tries)
		}
	}
	evidence, err := p.confirm(t, in, p.code(t, in), p.password(t, tradePassword))
	want(t, "the right proofs", err, nil)
	want(t, "their use", p.consume(t, evidence), nil)
	p.fail(t, 5)
	_, err = p.confirm(t, p.intent(t), elsewhere.password(t, tradePassword))
	want(t, "after a lock", err, password.ErrUnsealed)
}

// Five wrong passwords in a row lock for half an hour; four do not lock.
func TestFiveWrongPasswordsLock(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, tt := range []struct {
		wrong int
		want  error
	}{{1, nil}, {4, nil}, {5, stepup.ErrPasswordLocked}} {
		p := d.phone(t)
		p.fail(t, tt.wrong)
		_, err := p.pass(t)
		want(t, fmt.Sprintf("the right password after %d wrong", tt.wrong), err, tt.want)
	}
}

// While the lock lasts, no answer says whether a password is right, and no attempt
// makes the lock longer.
func TestALockTellsNothing(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	p.fail(t, 5)
	ends := p.clock.Now().Add(lock)
	elsewhere := p
	elsewhere.channel[0] ^= 1
	in := p.intent(t, passwordOnly)
	for _, after := range []time.Duration{0, lock / 2, lock/2 - time.Microsecond} {
		p.clock.Advance(after)
		in = p.intent(t, passwordOnly)
		for name, proof := range map[string]stepup.Proof{
			"right": p.password(t, tradePassword), "wrong": p.password(t, "000000"), "another": p.password(t, "999999"),
		} {
			_, err := p.confirm(t, in, proof)
			var told *stepup.AttemptsError
			if bankerr.From(err) == nil || bankerr.From(err).Code() != "TRADE_PASSWORD_LOCKED" || !errors.As(err, &told) {
				t.Fatalf("a password %s, locked: %v", name, err)
			}
			left := ends.Sub(p.clock.Now())
			if !told.LockedUntil.Equal(ends) || bankerr.From(err).RetryAfter() != left {
				t.Errorf("a password %s, locked: %v, after %v", name, err, bankerr.From(err).RetryAfter())
			}
		}
	}
	p.clock.Advance(time.Microsecond)
	_, err := p.confirm(t, in, p.password(t, tradePassword))
	want(t, "the right password when the lock ends", err, nil)
}

// After a lock the count begins anew: four more may be wrong. The fifth, which is the
// tenth of the day, freezes the password until the next day.
func TestALockStartsTheCountAnew(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, tt := range []struct {
		wrong int
		want  error
	}{{4, nil}, {5, stepup.ErrPasswordFrozen}} {
		p := d.phone(t)
		p.fail(t, 5)
		p.clock.Advance(lock)
		p.fail(t, tt.wrong)
		_, err := p.pass(t)
		want(t, fmt.Sprintf("the right password after a lock and %d wrong", tt.wrong), err, tt.want)
	}
}

// Only an operation that succeeds with the password resets the failures.
func TestAttemptsAreReset(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	p.fail(t, 4)
	in := p.intent(t)
	evidence, err := p.confirm(t, in, p.code(t, in), p.sign(t, text))
	want(t, "a code and a signature", err, nil)
	want(t, "their use", p.consume(t, evidence), nil)
	if got := p.failures(t); got != 4 {
		t.Errorf("%d failures stand after a confirmation without the password, want 4", got)
	}
	evidence, err = p.pass(t)
	want(t, "the fifth guess, right", err, nil)
	if got := p.failures(t); got != 5 {
		t.Errorf("%d failures stand before the operation, want 5", got)
	}
	want(t, "its use", p.consume(t, evidence), nil)
	if got := p.failures(t); got != 0 {
		t.Errorf("%d failures stand after it, want 0", got)
	}
	p.fail(t, 4)
	_, err = p.pass(t)
	want(t, "the right password after four wrong ones more", err, nil)
}

// Concurrent guesses use several intents. Five are compared. While these are in flight,
// the others must wait; once they were wrong, the others are told that the password is
// locked.
func TestParallelGuessesAtThePassword(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	var intents []stepup.Intent
	for range 4 {
		intents = append(intents, p.intent(t, passwordOnly))
	}
	guess := func(proof stepup.Proof, refusals ...error) int {
		t.Helper()
		return parallel(t, 20, func(i int) error {
			_, err := p.verify(t.Context(), p.check(intents[i%len(intents)], proof))
			return err
		}, refusals...)
	}
	if held := guess(p.password(t, tradePassword), pg.ErrBusy); held != 5 {
		t.Errorf("%d guesses were looked at, want 5", held)
	}
	p.resetAttempts(t)
	wrong := []error{stepup.ErrProofRejected, stepup.ErrPasswordLocked, pg.ErrBusy}
	if held := guess(p.password(t, "000000"), wrong...); held != 0 {
		t.Errorf("%d wrong guesses held", held)
	}
	if got := p.failures(t); got != 5 {
		t.Errorf("%d failures stand, want 5", got)
	}
	_, err := p.pass(t)
	want(t, "the right password then", err, stepup.ErrPasswordLocked)
	p.clock.Advance(lock)
	_, err = p.pass(t)
	want(t, "the right password when the lock has ended", err, nil)
}

// A customer without a trade password gets the answer of a locked one.
func TestNoPassword(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, passwordOnly)
	p.change(t, "DELETE FROM credential WHERE customer_id = $1", p.customer)
	_, err := p.confirm(t, in, p.password(t, tradePassword))
	want(t, "no password", err, stepup.ErrPasswordLocked)
}

// A row of the policy is in force from its day.
func TestPasswordFiguresChangeWithTheDay(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.change(t, `INSERT INTO policy (name, valid_from, value) VALUES
('trade_password.lock_after', '2026-11-24', 2), ('trade_password.lock_seconds', '2026-11-24', 60)`)
	today, tomorrow := d.phone(t), d.phone(t)
	today.fail(t, 4)
	_, err := today.pass(t)
	want(t, "today, the fifth", err, nil)
	d.clock.Advance(24 * time.Hour)
	tomorrow.fail(t, 2)
	_, err = tomorrow.pass(t)
	want(t, "tomorrow, the third", err, stepup.ErrPasswordLocked)
	d.clock.Advance(time.Minute)
	_, err = tomorrow.pass(t)
	want(t, "tomorrow, when the shorter lock ends", err, nil)
}

// Without its figure of the policy, no password is verified.
func TestNoFigureNoPassword(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	p := d.phone(t)
	d.change(t, "DELETE FROM policy WHERE name = 'trade_password.lock_after'")
	if evidence, err := p.verify(t.Context(), p.check(p.intent(t, passwordOnly), p.password(t, tradePassword))); err == nil {
		t.Errorf("%+v holds without a bound of failures", evidence)
	}
}

// Ten wrong guesses on one day freeze the password until the next day begins in Shanghai,
// whatever succeeded between them.
func TestTenWrongPasswordsFreezeTheDay(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	for _, tt := range []struct {
		wrong int
		want  error
	}{{9, nil}, {10, stepup.ErrPasswordFrozen}} {
		p := d.phone(t)
		for i := range tt.wrong {
			if p.fail(t, 1); i%4 == 3 && i < 9 {
				evidence, err := p.pass(t)
				want(t, "a right password between", err, nil)
				want(t, "its use", p.consume(t, evidence), nil)
			}
		}
		_, err := p.pass(t)
		want(t, fmt.Sprintf("the right password after %d wrong ones of a day", tt.wrong), err, tt.want)
		if tt.want == nil {
			continue
		}
		midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, clock.Shanghai)
		left := midnight.Sub(p.clock.Now())
		var told *stepup.AttemptsError
		if !errors.As(err, &told) || !told.LockedUntil.Equal(midnight) || bankerr.From(err).RetryAfter() != left {
			t.Errorf("the freeze is told as %v, after %v; want until %v", err, bankerr.From(err).RetryAfter(), midnight)
		}
		p.clock.Advance(left - time.Microsecond)
		_, err = p.pass(t)
		want(t, "just before midnight", err, stepup.ErrPasswordFrozen)
		p.clock.Advance(time.Microsecond)
		p.fail(t, 4)
		_, err = p.pass(t)
		want(t, "the next day, after four wrong ones", err, nil)
	}
}

// A guess whose call ended without a result counts as wrong after 30 seconds, and not
// before.
func TestAGuessThatWasNeverSettled(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, passwordOnly)
	for range 5 {
		check.Must(t, p.count(t.Context(), p.check(in, p.password(t, tradePassword))))
	}
	_, err := p.pass(t)
	want(t, "while five are in flight", err, pg.ErrBusy)
	p.clock.Advance(30 * time.Second)
	_, err = p.pass(t)
	want(t, "after 30 seconds", err, pg.ErrBusy)
	p.clock.Advance(time.Microsecond)
	_, err = p.pass(t)
	want(t, "later", err, stepup.ErrPasswordLocked)
	p.clock.Advance(lock)
	_, err = p.pass(t)
	want(t, "after the lock", err, nil)
}

// A wrong guess tells the guesses that are left; the one that locks tells until when.
func TestTriesLeftAreTold(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for left := 4; left >= 0; left-- {
		in := p.intent(t)
		_, err := p.confirm(t, in, p.password(t, "000000"), off(p.code(t, in)))
		want(t, "wrong", err, stepup.ErrProofRejected)
		var told *stepup.AttemptsError
		if !errors.As(err, &told) || told.TriesLeft != left {
			t.Fatalf("told %v, want %d guesses left", err, left)
		}
		var until time.Time
		if left == 0 {
			until = p.clock.Now().Add(lock)
		}
		if !told.LockedUntil.Equal(until) || (bankerr.From(err).RetryAfter() == lock) != (left == 0) {
			t.Errorf("with %d left: locked until %v, after %v", left, told.LockedUntil, bankerr.From(err).RetryAfter())
		}
	}
}

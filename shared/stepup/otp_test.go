package stepup_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// codeOnly makes an intent that one code confirms.
var codeOnly = only(stepup.SMSOTP)

func TestCodeIsBoundToItsIntent(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, codeOnly)
	right := p.code(t, in)
	payee := func(other *stepup.Intent) { other.Text = "向 赵六（尾号0002）转账 100.00元" }
	amount := func(other *stepup.Intent) { other.Text = "向 李四（尾号0001）转账 100.01元" }
	same := func(*stepup.Intent) {}
	for name, change := range map[string]func(*stepup.Intent){"payee": payee, "amount": amount, "id": same} {
		other := p.intent(t, codeOnly, change)
		own := p.code(t, other)
		_, err := p.confirm(t, other, right)
		want(t, "a code for another "+name, err, stepup.ErrProofRejected)
		_, err = p.confirm(t, other, own)
		want(t, "its own code", err, nil)
	}
	evidence, err := p.confirm(t, in, right)
	want(t, "the code where it belongs", err, nil)
	want(t, "its use", p.consume(t, evidence), nil)
	_, err = p.confirm(t, in, right)
	want(t, "its second use", err, stepup.ErrUsed)
	req.Covers(t, "AUTH-015.2")
}

// A challenge that was made over another text does not confirm this one, even
// under this intent's name.
func TestCodeOverAnotherText(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, codeOnly)
	other := in
	other.Digest = p.intent(t, func(other *stepup.Intent) { other.Text = "向 李四（尾号0001）转账 100.01元" }).Digest
	_, err := p.confirm(t, in, p.code(t, other))
	want(t, "a code over another text", err, stepup.ErrProofRejected)
}

func TestLifeOfACode(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{
		{0, nil},
		{59 * time.Second, nil},
		{60*time.Second - time.Microsecond, nil},
		{60 * time.Second, stepup.ErrProofRejected},
		{61 * time.Second, stepup.ErrProofRejected},
		{life - time.Microsecond, stepup.ErrProofRejected},
	} {
		in := p.intent(t, codeOnly)
		code := p.code(t, in)
		p.clock.Advance(tt.after)
		_, err := p.confirm(t, in, code)
		want(t, "a code after "+tt.after.String(), err, tt.want)
	}
}

// The sixth guess fails though it is right. At most five guesses are counted.
func TestTriesOfACode(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for _, tt := range []struct {
		wrong int
		want  error
	}{{0, nil}, {1, nil}, {4, nil}, {5, stepup.ErrProofRejected}, {6, stepup.ErrProofRejected}} {
		in := p.intent(t, codeOnly)
		right := p.code(t, in)
		for range tt.wrong {
			_, err := p.confirm(t, in, off(right))
			want(t, "a wrong code", err, stepup.ErrProofRejected)
		}
		_, err := p.confirm(t, in, right)
		want(t, "the right code", err, tt.want)
		if got := p.tries(t, in); got != min(tt.wrong+1, tries) {
			t.Errorf("%d tries were counted after %d wrong ones and a right one", got, tt.wrong)
		}
	}
}

func TestCodesThatAreNone(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	for name, guess := range map[string]func(stepup.Intent) stepup.Proof{
		"never asked for": func(stepup.Intent) stepup.Proof { return stepup.Proof{Factor: stepup.SMSOTP, Code: "000000"} },
		"empty": func(in stepup.Intent) stepup.Proof {
			p.code(t, in)
			return stepup.Proof{Factor: stepup.SMSOTP}
		},
		"without its last digit": func(in stepup.Intent) stepup.Proof {
			proof := p.code(t, in)
			proof.Code = proof.Code[:5]
			return proof
		},
		"with a digit more": func(in stepup.Intent) stepup.Proof {
			proof := p.code(t, in)
			proof.Code += "0"
			return proof
		},
		"with a space": func(in stepup.Intent) stepup.Proof {
			proof := p.code(t, in)
			proof.Code += " "
			return proof
		},
		"void for a newer one": func(in stepup.Intent) stepup.Proof {
			void := p.code(t, in)
			if fresh := p.code(t, in); fresh.Code == void.Code { // once in a million
				return off(fresh)
			}
			return void
		},
		"used elsewhere": func(in stepup.Intent) stepup.Proof {
			proof := p.code(t, in)
			p.change(t, "UPDATE otp_challenge SET used_at = $2 WHERE subject = $1", stepup.Subject(in.ID), p.clock.Now())
			return proof
		},
	} {
		in := p.intent(t, codeOnly)
		_, err := p.confirm(t, in, guess(in))
		want(t, "a code "+name, err, stepup.ErrProofRejected)
	}
	in := p.intent(t, codeOnly)
	p.code(t, in)
	_, err := p.confirm(t, in, p.code(t, in))
	want(t, "the newer code", err, nil)
}

// A new code takes new tries, not those that the void one had left.
func TestANewCodeTakesFiveTries(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, codeOnly)
	for range 2 {
		right := p.code(t, in)
		for range tries {
			_, err := p.confirm(t, in, off(right))
			want(t, "a wrong code", err, stepup.ErrProofRejected)
		}
	}
	_, err := p.confirm(t, in, p.code(t, in))
	want(t, "a right code after two that ran out", err, nil)
}

// Each attempt is counted before it is compared, also if the request fails later.
func TestAttemptsAreCountedFirst(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, only(stepup.SMSOTP, stepup.TradePassword))
	check.Must(t, p.count(t.Context(), p.check(in, p.code(t, in), p.password(t, tradePassword))))
	if tries, failures := p.tries(t, in), p.failures(t); tries != 1 || failures != 1 {
		t.Errorf("%d tries and %d failures stand, want 1 and 1", tries, failures)
	}
}

// A batch that was rolled back is sent again. Its second result decides, and may be
// that no try is left.
func TestTheLastBatchDecides(t *testing.T) {
	t.Parallel()
	for factor, use := range map[stepup.Factor]string{
		stepup.SMSOTP:        "UPDATE otp_challenge SET tries = 5",
		stepup.TradePassword: "UPDATE credential SET trade_locked_until = '9999-01-01'",
	} {
		p := newFixture(t).phone(t)
		in := p.intent(t, only(factor))
		c := p.check(in, p.right(t, in, factor))
		var batch pgx.Batch
		c.QueueProofs(&batch, p.ring)
		check.Must(t, p.db.QueryBatch(t.Context(), &batch))
		p.change(t, use)
		check.Must(t, p.db.QueryBatch(t.Context(), &batch))
		if evidence, err := c.Verify(t.Context(), p.ring); err == nil {
			t.Errorf("%s: %+v held", factor, evidence)
		}
	}
}

// All of these guesses are right, so the test counts how many are compared.
func TestParallelGuessesAtACode(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, codeOnly)
	right := p.code(t, in)
	held := parallel(t, 50, func(int) error {
		_, err := p.verify(t.Context(), p.check(in, right))
		return err
	}, pg.ErrBusy)
	if n := p.tries(t, in); held != tries || n != tries {
		t.Errorf("%d guesses were looked at and %d counted, want %d", held, n, tries)
	}
}

// Exactly one of many requests with the same right code has its effect.
func TestACodeIsUsedOnce(t *testing.T) {
	t.Parallel()
	p := newFixture(t).phone(t)
	in := p.intent(t, codeOnly)
	void := p.code(t, in)
	right := p.code(t, in)
	if void.Code == right.Code {
		t.Fatal("the second code is the first one, which happens by chance one time in a million")
	}
	_, err := p.confirm(t, in, void)
	want(t, "the void code", err, stepup.ErrProofRejected)
	accepted := parallel(t, 50, func(int) error {
		evidence, err := p.verify(t.Context(), p.check(in, right))
		if err != nil {
			return err
		}
		var unit pg.Unit
		evidence.Consume(&unit)
		return p.db.Commit(t.Context(), &unit)
	}, pg.ErrBusy, stepup.ErrUsed)
	if accepted != 1 {
		t.Errorf("%d of 50 requests with one code were accepted, want 1", accepted)
	}
	if n := p.tries(t, in); n > tries {
		t.Errorf("%d tries were counted", n)
	}
	req.Covers(t, "OTP-002.1", "OTP-002.2")
}

// parallel runs work n times at once and counts what succeeds; what fails must
// fail with one of the refusals.
func parallel(t *testing.T, n int, work func(i int) error, refusals ...error) int {
	t.Helper()
	var done sync.WaitGroup
	var succeeded atomic.Int64
	open := make(chan struct{})
	for i := range n {
		done.Go(func() {
			<-open
			err := work(i)
			if err == nil {
				succeeded.Add(1)
				return
			}
			for _, refusal := range refusals {
				if errors.Is(err, refusal) {
					return
				}
			}
			t.Errorf("number %d: %v", i, err)
		})
	}
	close(open)
	done.Wait()
	return int(succeeded.Load())
}

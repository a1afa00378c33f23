package otp_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// TestOneOfFiftyUsesTheCode lets 50 requests guess right at once. As many as there
// are tries get past the guess, and all of those then use the code at once.
func TestOneOfFiftyUsesTheCode(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-002.1")
	d := newFixture(t)
	c := d.challenge(otp.Login, "13800010001")
	check.Must(t, d.issue(c, issued))
	code := d.sent(c)
	const many = 50
	var looked [many]*otp.Attempt
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			if try, right := d.guess(c.Subject, c.Binding, code, issued); right {
				looked[i] = try
			}
		})
	}
	all.Wait()
	var refused [many]error
	right, used := 0, 0
	for i, try := range looked {
		if try != nil {
			right++
			all.Go(func() { refused[i] = d.use(try, issued) })
		}
	}
	all.Wait()
	for i, try := range looked {
		switch {
		case try == nil:
		case refused[i] == nil:
			used++
		case !errors.Is(refused[i], errUsed):
			t.Error(refused[i])
		}
	}
	if right != tries || used != 1 {
		t.Errorf("of %d requests %d were looked at and %d accepted, want %d and 1", many, right, used, tries)
	}
	d.reset(c)
	later, again := d.guess(c.Subject, c.Binding, code, issued)
	if again || !errors.Is(d.use(later, issued), errUsed) {
		t.Error("the code is good for a later request")
	}
}

package flow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

func (p fixture) grade(t *testing.T, who person, grade risk.Grade) {
	t.Helper()
	p.Exec(t, "UPDATE customer SET risk_grade = $2 WHERE id = $1", who.ID, grade)
}

// all confirms by every factor that the bank knows.
func (p fixture) all(t *testing.T, who person, in transferprepare.Response) fields {
	t.Helper()
	return confirmation(in, code(p.codeFor(t, who, in)), signed(t, who.phone, in.Text),
		password(t, who.phone, bank.TradePassword))
}

// TestRiskRefuses grades the payer high before the order, and between order and
// posting.
func TestRiskRefuses(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-011.2")
	req.Covers(t, "RISK-003.1", "RISK-003.2")
	p := newFixture(t)
	in := p.prepare(t, p.wang, p.li, 1_00)
	proofs := p.all(t, p.wang, in)
	p.grade(t, p.wang, risk.GradeHigh)
	before := p.rows(t)
	call(t, p.wang.phone, "transfer-prepare", p.order(p.wang, p.li, 1_00)).Want(t, "RISK_REFUSED")
	same(t, "admission", before, p.rows(t)) // there is no order
	call(t, p.wang.phone, "transfer-confirm", proofs).Want(t, "RISK_REFUSED")
	same(t, "control", before, p.rows(t)) // the order did not post
	call(t, p.li.phone, "transfer-confirm", p.all(t, p.li, p.prepare(t, p.li, p.wang, 1_00))).Want(t, "")
	p.grade(t, p.wang, risk.GradeNormal)
	call(t, p.wang.phone, "transfer-confirm", proofs).Want(t, "")
}

// away is a risk platform that can't be reached.
type away struct{}

func (away) Evaluate(context.Context, risk.Scene, risk.Subject) (risk.Decision, error) {
	return risk.Decision{}, errors.New("unreachable")
}

// TestRiskAwayLetsNothingPass makes the platform unreachable.
func TestRiskAwayLetsNothingPass(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-011.3")
	p := newFixture(t)
	proofs := p.all(t, p.wang, p.prepare(t, p.wang, p.li, 1_00))
	p.Host.Risk = away{}
	before := p.rows(t)
	call(t, p.wang.phone, "transfer-prepare", p.order(p.wang, p.li, 1_00)).Want(t, "SERVICE_UNAVAILABLE")
	call(t, p.wang.phone, "transfer-confirm", proofs).Want(t, "SERVICE_UNAVAILABLE")
	same(t, "without a risk platform", before, p.rows(t))
	p.Host.Risk = risk.Baseline{}
	call(t, p.wang.phone, "transfer-confirm", proofs).Want(t, "")
}

// TestMoreRiskAsksForMore compares what one transfer takes at each grade of a customer with a
// reference photo and a fingerprint, counting trade password, SMS code, fingerprint and face.
func TestMoreRiskAsksForMore(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-011.1")
	p := newFixture(t)
	p.faces.Photo(t, p.wang.Customer)
	bank.Pair{Bank: p.Bank, Phone: p.wang.phone, Payer: p.wang.Customer, Payee: p.li.Customer}.SetUnlockKey(t, device.ByFingerprint)
	counted := []string{"trade_password", "sms_otp", "unlock_key", "face"}
	least := func() int {
		n, offered := len(counted), map[string]bool{}
		for _, combination := range p.prepare(t, p.wang, p.li, 1_00).Combinations {
			asked := 0
			for factor := range strings.SplitSeq(combination, "+") {
				if slices.Contains(counted, factor) {
					asked++
					offered[factor] = true
				}
			}
			n = min(n, asked)
		}
		if len(offered) != len(counted) {
			t.Fatalf("the bank offers only %v", offered)
		}
		return n
	}
	low := least()
	p.grade(t, p.wang, risk.GradeRaised)
	if raised := least(); low >= raised {
		t.Errorf("a low risk asks for %d of them, a raised one for %d", low, raised)
	}
}

// TestASimpleLoginDuringAScript lets a script try the passwords of many numbers from
// many channels, in the same minute and from the same address.
func TestASimpleLoginDuringAScript(t *testing.T) {
	t.Parallel()
	req.Covers(t, "RISK-002.3")
	p := newFixture(t)
	p.Host.Limits.RateScale = 1
	tablet := p.Device(t, "tablet-of-wang")
	tablet.IP = "198.51.100.9" // behind the script's address, the customer would have to solve a graphic code
	entry := login(t, tablet, p.wang.Customer, p.numberCode(t, tablet, otp.Login, p.wang.Phone))
	stopped := map[string]int{}
	for i := range 4 {
		script := p.Device(t, "script-"+strings.Repeat("x", i+2))
		possession := script.Possession(t)
		for n := range 25 {
			guess := with(entry, "phone", p.li.Phone)
			guess["device_public_key"], guess["device_signature"] = script.PublicKey(t), possession
			if n%2 == 0 {
				guess["phone"] = "139" + strings.Repeat(string(rune('0'+i)), 4) + "0" + "1" + "2" + string(rune('0'+n%10))
			}
			guess["password"] = script.Password(t, "guess-2026")
			stopped[call(t, script, "identity-login", guess).Code]++
		}
	}
	if stopped["RATE_LIMITED"] == 0 || stopped["CAPTCHA_REQUIRED"] == 0 || stopped[""] != 0 {
		t.Fatalf("the script met %v", stopped)
	}
	call(t, tablet, "identity-login", entry).Want(t, "")
	call(t, tablet, "identity-me", fields{}).Want(t, "")
	p.Advance(time.Second)
}

package flow_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// TestOneRequestIsOneExecution sends one request of each function several times in one
// frame, at once and later. It also sends frames that are too old or ahead of time.
func TestOneRequestIsOneExecution(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1", "LOGIC-013.3")
	p := newFixture(t)
	good := p.good(t)
	sent := map[string][]byte{}
	for _, name := range logoutLast(good) {
		f := functest.Named(t, name)
		if f.Spec.NoChannel {
			continue
		}
		p.calm(t)
		p.outOfTime(t, f, good[name])
		frame := p.wang.phone.Frame(t, f, uuid.NewString(), good[name])
		executed := 0
		for _, reply := range atOnce(t, p.wang.phone, f, frame, frame, frame, frame) {
			if reply.Code != "FRAME_REPLAYED" {
				reply.Want(t, "")
				executed++
			}
		}
		if executed != 1 {
			t.Errorf("%s: of one frame sent four times %d were executed", name, executed)
		}
		sent[name] = frame
	}
	if len(sent) < 14 {
		t.Fatalf("only %d functions were walked", len(sent))
	}
	p.Advance(time.Minute)
	for name, frame := range sent {
		p.wang.phone.Send(t, functest.Named(t, name), frame).Want(t, "FRAME_REPLAYED")
	}
}

// outOfTime sends a frame that is too old, and one that is ahead.
func (p fixture) outOfTime(t *testing.T, f fn.Function, request fields) {
	t.Helper()
	body := []byte(`{"idempotency_key":"late","request":` + string(check.JSON(t, request)) + `}`)
	before := p.rows(t)
	for _, age := range []time.Duration{5*time.Minute + time.Second, -5*time.Minute - time.Second} {
		frame := p.wang.phone.FrameAt(t, f, p.Clock.Now().Add(-age), body)
		p.wang.phone.Send(t, f, frame).Want(t, "FRAME_REJECTED")
	}
	same(t, f.Spec.Name+" out of its time", before, p.rows(t))
}

// atOnce sends frames at one time and returns the answers.
func atOnce(t *testing.T, d *bank.Device, f fn.Function, frames ...[]byte) []bank.Reply {
	t.Helper()
	return check.AtOnce(len(frames), func(i int) bank.Reply { return d.Send(t, f, frames[i]) })
}

// TestOneKeyIsOneExecution walks the functions that take a key.
func TestOneKeyIsOneExecution(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1", "LOGIC-013.2")
	p := newFixture(t)
	good := p.good(t)
	applicant := p.applicant(t, "孙七")
	others := map[string]fields{
		"identity-register": application(t, p.wang.phone, applicant.Customer,
			p.numberCode(t, p.wang.phone, otp.Register, applicant.Phone)),
		"transfer-confirm":            proved(t, p.wang, p.prepare(t, p.wang, p.li, 6_00)),
		"identity-alias-set":          with(good["identity-alias-set"], "alias", "other.1990"),
		"identity-password-change":    with(good["identity-password-change"], "intent_id", uuid.NewString()),
		"identity-device-unlock":      with(good["identity-device-unlock"], "intent_id", uuid.NewString()),
		"identity-gesture-set":        with(good["identity-gesture-set"], "intent_id", uuid.NewString()),
		"identity-unlock-key-set":     with(good["identity-unlock-key-set"], "intent_id", uuid.NewString()),
		"identity-cert-apply":         with(good["identity-cert-apply"], "intent_id", uuid.NewString()),
		"identity-token-bind":         with(good["identity-token-bind"], "intent_id", uuid.NewString()),
		"identity-password-reset":     with(good["identity-password-reset"], "name", "王大明"),
		"identity-phone-change":       with(good["identity-phone-change"], "otp", "000000"),
		"identity-trade-password-set": with(good["identity-trade-password-set"], "intent_id", uuid.NewString()),
	}
	first := map[string]string{}
	for _, name := range logoutLast(good) {
		f := functest.Named(t, name)
		if !f.Spec.Idempotent {
			continue
		}
		request := good[name]
		if request == nil || others[name] == nil {
			t.Fatalf("%s takes a key and is not in the table", name)
		}
		p.calm(t)
		var frames [][]byte
		for range 4 {
			frames = append(frames, p.wang.phone.Frame(t, f, "one key", request))
		}
		before := p.rows(t)
		for _, reply := range atOnce(t, p.wang.phone, f, frames...) {
			switch {
			case reply.Code != "": // a concurrent duplicate may be refused
			case first[name] == "":
				first[name] = string(reply.Body)
			case string(reply.Body) != first[name]:
				t.Errorf("%s: one key was answered %s and %s", name, first[name], reply.Body)
			}
		}
		after := p.rows(t)
		changed := slices.ContainsFunc([]string{"outbox", "token", "device", "certificate"}, func(table string) bool {
			return after[table] != before[table]
		})
		if first[name] == "" || !changed {
			t.Errorf("%s: nothing was executed", name)
		}
	}
	if len(first) < 2 {
		t.Fatalf("only %d functions take a key", len(first))
	}
	p.Advance(time.Minute)
	p.calm(t)
	after := p.rows(t)
	for name, answer := range first {
		f := functest.Named(t, name)
		p.calm(t)
		later := p.wang.phone.Call(t, f, "one key", good[name])
		if later.Want(t, ""); string(later.Body) != answer {
			t.Errorf("%s: later the key was answered %s, first %s", name, later.Body, answer)
		}
		p.wang.phone.Call(t, f, "one key", others[name]).Want(t, "IDEMPOTENCY_KEY_REUSED")
	}
	same(t, "repeated", after, p.rows(t))
	if n := p.posted(t); n != 2 { // the one of good and the one here
		t.Errorf("%d transfers are posted, want 2", n)
	}
	p.CheckLedger(t)
}

// TestNobodyBringsFiguresOfTheirOwn adds a fee, a rate, a total, a limit and a
// discount to every request.
func TestNobodyBringsFiguresOfTheirOwn(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-006.1")
	p := newFixture(t)
	good := p.good(t)
	before := p.rows(t)
	for _, f := range served(t) {
		for _, figure := range []string{"fee_fen", "rate", "total_fen", "limit_cap_fen", "discount_fen"} {
			got := call(t, p.wang.phone, f.Spec.Name, with(good[f.Spec.Name], figure, 1))
			if got.Code != "INPUT_INVALID" {
				t.Errorf("%s with %s: %d %q", f.Spec.Name, figure, got.Status, got.Code)
			}
		}
	}
	same(t, "figures", before, p.rows(t))
}

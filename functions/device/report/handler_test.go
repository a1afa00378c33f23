package report_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	devicereport "github.com/tidebank/tidebank/functions/device/report"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 1_000_00)}
}

func (w fixture) send(t *testing.T, r environment.Report) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, devicereport.Function, "", devicereport.Request{Report: r})
}

// found reports findings and returns the bank's answer.
func (w fixture) found(t *testing.T, found ...environment.Finding) (told devicereport.Response) {
	t.Helper()
	w.send(t, w.Phone.Report(t, found...)).Into(t, &told)
	return told
}

// wantFactors prepares the transfer and sees how many factors it needs at least.
func (w fixture) wantFactors(t *testing.T, name string, want int) transferprepare.Response {
	t.Helper()
	in := w.Prepare(t, w.ToPayee(1_00))
	fewest := 9
	for _, c := range in.Combinations {
		fewest = min(fewest, 1+strings.Count(c, "+"))
	}
	if fewest != want {
		t.Errorf("%s: %d factors, want %d", name, fewest, want)
	}
	return in
}

// The factors that a transfer to others needs at the grades normal and raised.
const normal, raised = 2, 3

// wantRefused sees that both fund functions refuse, with the reason, and that no money moves.
func (w fixture) wantRefused(t *testing.T, proved stepup.Confirmation, reason string) {
	t.Helper()
	for name, got := range map[string]bank.Reply{
		"prepare": w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)),
		"to own":  w.Phone.Call(t, transferprepare.Function, "", w.ToOwn(1_00)),
		"confirm": w.Confirm(t, proved),
	} {
		if got.Code != "ENVIRONMENT_UNSAFE" || !strings.Contains(got.Problem.Detail, reason) {
			t.Errorf("%s after %s: %s", name, reason, got.Body)
		}
	}
	if got := w.Balance(t, w.Payer.AccountIDs[0]); got != 1_000_00 {
		t.Errorf("after %s the payer has %s", reason, got.Yuan())
	}
}

// Each grave finding disables transfers, also one that was prepared before, and each other
// finding has its configured action.
func TestEachFindingHasItsAction(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-006.1", "DEVICE-007.1", "DEVICE-007.2")
	for finding, tt := range map[environment.Finding]struct {
		action environment.Action
		reason string
	}{
		environment.Root: {environment.Disable, "ROOT"}, environment.Jailbreak: {environment.Disable, "越狱"},
		environment.Emulator: {environment.Disable, "模拟器"}, environment.VirtualMachine: {environment.Disable, "虚拟机"},
		environment.Debugger: {environment.Disable, "调试"}, environment.Automation: {environment.Disable, "自动操作"},
		environment.Repackaged: {environment.Disable, "被改动"}, environment.Proxy: {environment.Warn, "代理"},
	} {
		t.Run(string(finding), func(t *testing.T) {
			t.Parallel()
			w := newFixture(t)
			proved := w.Proved(t, w.wantFactors(t, "clean", normal))
			told := w.found(t, finding)
			if len(told.Warnings) != 1 || told.Warnings[0].Finding != finding || told.Warnings[0].Action != tt.action ||
				!strings.Contains(told.Warnings[0].Advice, tt.reason) || told.TransferDisabled != (tt.action == environment.Disable) {
				t.Fatalf("told %+v", told)
			}
			if tt.action == environment.Disable {
				w.wantRefused(t, proved, tt.reason)
				return
			}
			w.wantFactors(t, "warned", normal)
			w.Confirm(t, proved).Want(t, "")
		})
	}
}

// At each opening the newest report counts: a bad one although the one before was clean, and
// a clean one after it. The device stays risky for a day after a grave finding.
func TestEachOpeningIsJudgedAnew(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-007.3")
	w := newFixture(t)
	if told := w.found(t); len(told.Warnings) != 0 || told.TransferDisabled {
		t.Errorf("a clean report is told %+v", told)
	}
	proved := w.Proved(t, w.wantFactors(t, "clean", normal))
	w.found(t, environment.Proxy, environment.Root)
	w.wantRefused(t, proved, "ROOT")
	w.found(t)
	w.wantFactors(t, "clean after a grave one", raised)
	age := func(seconds int) {
		t.Helper()
		w.Exec(t, "UPDATE device_report SET reported_at = $1 WHERE grave", w.Clock.Now().Add(-time.Duration(seconds)*time.Second))
	}
	age(24*60*60 - 1)
	w.wantFactors(t, "within the day", raised)
	age(24 * 60 * 60)
	w.wantFactors(t, "a day later", normal)
}

// A screenshot is stored with its page and session, and the answer warns. It changes nothing
// for transfers.
func TestAScreenshotIsStoredAndWarnedOf(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-008.1", "DEVICE-008.2")
	w := newFixture(t)
	told := w.found(t, environment.ScreenCapture)
	if len(told.Warnings) != 1 || !strings.Contains(told.Warnings[0].Advice, "截屏") || told.Warnings[0].Action != environment.Warn {
		t.Errorf("told %+v", told)
	}
	if n := w.Count(t, `
SELECT count(*) FROM device_report WHERE customer_id = $1 AND device_id = $2 AND channel = $3 AND page = 'transfer'
   AND findings = '{screen_capture}' AND reported_at = $4`,
		w.Payer.ID, w.Phone.ID, w.Phone.Channel[:], w.Clock.Now()); n != 1 {
		t.Errorf("%d screenshots are stored with page and session", n)
	}
	w.wantFactors(t, "after a screenshot", normal)
	without := w.Phone.Report(t, environment.ScreenCapture)
	without.Page = ""
	w.send(t, without).Want(t, "INPUT_INVALID")
	clean := w.Phone.Report(t)
	clean.Page = "transfer"
	w.send(t, clean).Want(t, "INPUT_INVALID")
}

// A report counts only inside the sealed frame of its function: in clear, in a frame that was
// changed, or beside an order, it is no report, and the session stays without one.
func TestAReportOutsideTheEnvelopeIsNone(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-005.1")
	w := newFixture(t)
	w.Exec(t, "DELETE FROM device_report")
	w.wantFactors(t, "without a report", raised)
	request := devicereport.Request{Report: w.Phone.Report(t)}
	for _, body := range [][]byte{
		check.JSON(t, request), check.JSON(t, map[string]any{"idempotency_key": "", "request": request}),
	} {
		w.Phone.Send(t, devicereport.Function, body).Want(t, "FRAME_REJECTED")
	}
	frame := w.Phone.Frame(t, devicereport.Function, "", request)
	frame[len(frame)-1] ^= 1
	w.Phone.Send(t, devicereport.Function, frame).Want(t, "FRAME_REJECTED")
	order := w.ToPayee(1_00)
	order["environment"] = request.Report
	w.Phone.Call(t, transferprepare.Function, "", order).Want(t, "INPUT_INVALID")
	if n := w.Count(t, "SELECT count(*) FROM device_report"); n != 0 {
		t.Errorf("%d reports are stored", n)
	}
	w.wantFactors(t, "after reports outside the envelope", raised)
	w.send(t, request.Report).Want(t, "")
	w.wantFactors(t, "after a report", normal)
}

// A report that was made for another session, or for another order than the one to confirm,
// counts as risky.
func TestAReportOfAnotherSessionOrOrderIsRisky(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-005.2")
	w := newFixture(t)
	elsewhere := w.Phone.Report(t)
	elsewhere.Session = slices.Repeat([]byte{7}, 16)
	var told devicereport.Response
	w.send(t, w.Phone.SignReport(t, elsewhere)).Into(t, &told)
	if len(told.Warnings) != 1 || told.Warnings[0].Finding != environment.OtherSession || told.Warnings[0].Action != environment.Check {
		t.Errorf("told %+v", told)
	}
	w.wantFactors(t, "another session", raised)

	w.found(t)
	in, other := w.wantFactors(t, "clean", normal), w.Prepare(t, w.ToPayee(2_00))
	about := func(in transferprepare.Response) {
		t.Helper()
		r := w.Phone.Report(t)
		r.IntentID = &in.IntentID
		w.send(t, w.Phone.SignReport(t, r)).Want(t, "")
	}
	about(other)
	proved := w.Proved(t, in)
	refused := w.Confirm(t, proved)
	if refused.Want(t, "STEPUP_STRONGER"); !slices.Contains(refused.Problem.Missing, "sms_otp") {
		t.Errorf("missing %v", refused.Problem.Missing)
	}
	about(in)
	w.Confirm(t, proved).Want(t, "")
	about(other)
	stronger := w.Proved(t, w.Prepare(t, w.ToPayee(3_00)))
	w.Confirm(t, stronger).Want(t, "STEPUP_STRONGER")
	stronger.Proofs = append(stronger.Proofs, w.CodeFor(t, stronger.IntentID))
	w.Confirm(t, stronger).Want(t, "")
}

// The same transfer needs more after a bad report than after a good one, and a bad report
// never lowers what risk demands.
func TestABadReportMakesTheSameTransferStricter(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-005.3")
	w := newFixture(t)
	w.wantFactors(t, "good", normal)
	unsigned := w.Phone.Report(t)
	unsigned.Signature = nil
	w.send(t, unsigned).Want(t, "")
	w.wantFactors(t, "unsigned", raised)
	w.Exec(t, "UPDATE customer SET risk_grade = 1 WHERE id = $1", w.Payer.ID)
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, "RISK_REFUSED")
	w.found(t)
	w.wantFactors(t, "good, of a risky customer", raised)
	w.Exec(t, "UPDATE customer SET risk_grade = 2 WHERE id = $1", w.Payer.ID)
	w.Phone.Call(t, transferprepare.Function, "", w.ToPayee(1_00)).Want(t, "RISK_REFUSED")
}

// A report that is missing, too old, repeated or altered counts as risky. A repetition is
// refused and recorded.
func TestAMissingStaleReplayedOrAlteredReportIsRisky(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-005.4")
	w := newFixture(t)
	w.Exec(t, "DELETE FROM device_report")
	w.wantFactors(t, "missing", raised)

	first := w.Phone.Report(t)
	w.send(t, first).Want(t, "")
	w.wantFactors(t, "good", normal)
	age := func(seconds int) {
		t.Helper()
		w.Exec(t, "UPDATE device_report SET reported_at = $1", w.Clock.Now().Add(-time.Duration(seconds)*time.Second))
	}
	age(3599)
	w.wantFactors(t, "young enough", normal)
	age(3600)
	w.wantFactors(t, "stale", raised)

	w.found(t)
	w.wantFactors(t, "good again", normal)
	w.send(t, first).Want(t, "REPORT_REPLAYED")
	w.wantFactors(t, "replayed", raised)
	records := w.Outbox(t, "com.tidebank.access.recorded.v1")
	if last := string(records[len(records)-1].Data); !strings.Contains(last, "environment replayed") {
		t.Errorf("the replay is recorded as %s", last)
	}

	w.found(t)
	w.wantFactors(t, "good once more", normal)
	for name, alter := range map[string]func(*environment.Report){
		"findings":  func(r *environment.Report) { r.Findings = []environment.Finding{} },
		"nonce":     func(r *environment.Report) { r.Nonce = slices.Repeat([]byte{9}, 16) },
		"order":     func(r *environment.Report) { r.IntentID = &w.Payer.ID },
		"signature": func(r *environment.Report) { r.Signature[len(r.Signature)-1] ^= 1 },
		"page":      func(r *environment.Report) { r.Page = "login" },
	} {
		bad := w.Phone.Report(t, environment.Proxy, environment.ScreenCapture)
		if name == "findings" {
			bad = w.Phone.Report(t, environment.Root)
		}
		alter(&bad)
		var told devicereport.Response
		w.send(t, bad).Into(t, &told)
		if !slices.ContainsFunc(told.Warnings, func(x environment.Warning) bool { return x.Finding == environment.Altered }) {
			t.Errorf("altered %s: told %+v", name, told)
		}
		w.wantFactors(t, "altered "+name, raised)
		w.found(t)
		w.wantFactors(t, "after altered "+name, normal)
	}
}

// Of many repetitions at once, one report is accepted.
func TestARepetitionAtOnceIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	report := w.Phone.Report(t)
	replies := make([]bank.Reply, 10)
	done := make(chan int)
	for i := range replies {
		go func() {
			defer func() { done <- i }()
			replies[i] = w.send(t, report)
		}()
	}
	for range replies {
		<-done
	}
	if won := bank.Won(t, replies, "REPORT_REPLAYED"); won != 1 {
		t.Errorf("%d of %d repetitions were accepted", won, len(replies))
	}
	w.wantFactors(t, "replayed at once", raised)
}

// A report with an unknown finding, or one twice, is refused.
func TestForm(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, bad := range [][]environment.Finding{{"x"}, {"missing"}, {environment.Root, environment.Root}} {
		w.send(t, w.Phone.Report(t, bad...)).Want(t, "INPUT_INVALID")
	}
}

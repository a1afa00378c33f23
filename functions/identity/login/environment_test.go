package login_test

import (
	"testing"
	"time"

	devicereport "github.com/tidebank/tidebank/functions/device/report"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/environment"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// logInWith logs the payer in on the phone with a report, or without one.
func logInWith(t *testing.T, p bank.Pair, report *environment.Report) (told identitylogin.Response) {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota")
	p.Advance(time.Minute)
	request := p.Phone.LogIn(t, p.Payer, otptest.Ask(t, p.Bank, p.Phone, otp.Login, p.Payer.Phone))
	request.Environment = report
	p.Phone.Call(t, identitylogin.Function, "", request).Into(t, &told)
	return told
}

// raised reports whether a transfer needs the proofs of a raised risk.
func raised(t *testing.T, p bank.Pair) bool {
	t.Helper()
	combinations := p.Prepare(t, p.ToPayee(1_00)).Combinations
	return len(combinations) == 1 && combinations[0] == "sms_otp+device_key+trade_password"
}

// A login from an emulator and the like, or by an app of an unknown signature, is restricted:
// it opens a session in which no transfer is possible. Afterwards the device is risky, also
// if its next report is clean.
func TestALoginInABadEnvironmentIsRestricted(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-003.1", "DEVICE-003.2", "DEVICE-003.3")
	for _, finding := range []environment.Finding{
		environment.Emulator, environment.VirtualMachine, environment.Automation, environment.Debugger, environment.Repackaged,
		environment.UnknownApp,
	} {
		t.Run(string(finding), func(t *testing.T) {
			t.Parallel()
			p := bank.NewPair(t, 1_000_00)
			clean := p.Phone.Report(t)
			if told := logInWith(t, p, &clean); len(told.Environment.Warnings) != 0 || raised(t, p) {
				t.Fatalf("a clean login is told %+v", told.Environment)
			}
			report := p.Phone.Report(t)
			if finding == environment.UnknownApp {
				report.AppSignature = sm.Digest([]byte("another app"))
			} else {
				report.Findings = []environment.Finding{finding}
			}
			report = p.Phone.SignReport(t, report)
			told := logInWith(t, p, &report).Environment
			if len(told.Warnings) != 1 || told.Warnings[0].Finding != finding || !told.TransferDisabled {
				t.Errorf("told %+v", told)
			}
			p.Phone.Call(t, transferprepare.Function, "", p.ToPayee(1_00)).Want(t, "ENVIRONMENT_UNSAFE")
			p.Phone.Call(t, devicereport.Function, "", devicereport.Request{Report: p.Phone.Report(t)}).Want(t, "")
			if !raised(t, p) {
				t.Error("the device is not risky")
			}
			tablet := p
			tablet.Phone = p.Device(t, "tablet-of-wang")
			tablet.Phone.LoginAs(t, p.Payer)
			if raised(t, tablet) {
				t.Error("another device is risky")
			}
		})
	}
}

// A login without a report is risky, also on a channel whose last session had one. So is one
// with a repeated report, and one without the device's key.
func TestALoginWithoutAReportIsRisky(t *testing.T) {
	t.Parallel()
	req.Covers(t, "DEVICE-003.4")
	p := bank.NewPair(t, 1_000_00)
	clean := p.Phone.Report(t)
	if logInWith(t, p, &clean); raised(t, p) {
		t.Error("a login with a report is risky")
	}
	told := logInWith(t, p, nil).Environment
	if len(told.Warnings) != 1 || told.Warnings[0].Finding != environment.Missing || told.TransferDisabled || !raised(t, p) {
		t.Errorf("without a report: told %+v", told)
	}
	if logInWith(t, p, &clean); !raised(t, p) {
		t.Error("a login with a repeated report is not risky")
	}
	fresh := p.Phone.Report(t)
	if logInWith(t, p, &fresh); raised(t, p) {
		t.Error("a login with a fresh report is risky")
	}
}

// The digests of APP_SIGNATURES are the bank's apps; no other app is, and no malformed list is
// taken.
func TestOnlyListedSignaturesAreKnown(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"x", "00", "00,", environmentList + ",zz"} {
		if _, err := environment.ParseApps(environment.Config{Signatures: bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	p := bank.NewPair(t, 1_000_00)
	p.Open(t, identitylogin.Function, environment.Config{Signatures: environmentList})
	report := p.Phone.Report(t)
	if told := logInWith(t, p, &report).Environment; !told.TransferDisabled {
		t.Errorf("the Go client is known beside a list: %+v", told)
	}
}

// environmentList names one app, whose digest is all zero.
const environmentList = "0000000000000000000000000000000000000000000000000000000000000000"

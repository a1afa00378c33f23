package flow_test

import (
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// public are the functions that anybody may call. Each other one needs a session.
var public = []string{
	"app-version", "captcha-issue", "channel-captcha", "channel-certificates", "channel-open", "identity-login", "identity-password-reset",
	"identity-quick-challenge", "identity-quick-login", "identity-register", "otp-send",
}

// protected are all functions but the public ones. There are at least ten.
func protected(t testing.TB) []fn.Function {
	t.Helper()
	list := slices.DeleteFunc(served(t), func(f fn.Function) bool { return slices.Contains(public, f.Spec.Name) })
	if len(list) < 10 {
		t.Fatalf("only %d functions are protected", len(list))
	}
	return list
}

// wellFormed is a request of a protected function that its form lets pass.
func wellFormed(t testing.TB, name string) fields {
	t.Helper()
	id := uuid.NewString()
	request, ok := map[string]fields{
		"account-alias-set": {"account_id": id, "alias": "工资卡"},
		"account-detail":    {"account_id": id}, "account-overview": {}, "account-statement": {"account_id": id},
		"device-list": {}, "device-unbind": {"device_id": "tablet-of-wang"},
		"device-lock": {}, "identity-device-unlock": {"intent_id": id, "proofs": []any{}},
		"device-report":           {"report": bank.UnsignedReport()},
		"identity-preference-set": {"combination": "sms_otp+trade_password", "amount_fen": 1},
		"identity-option-list":    {}, "identity-option-set": {"option": "large_transfer", "on": false},
		"identity-alias-set":          {"intent_id": id, "proofs": []any{}, "alias": "tide.fan"},
		"identity-change-prepare":     {"change": "login_password"},
		"identity-password-change":    {"intent_id": id, "proofs": []any{}, "login_password": "AAAA"},
		"identity-phone-change":       {"intent_id": id, "proofs": []any{}, "otp": "123456"},
		"identity-trade-password-set": {"intent_id": id, "proofs": []any{}, "trade_password": "AAAA"},
		"identity-face-begin":         {"intent_id": id}, "identity-face-finish": {"check_id": id, "capture": "AAAA"},
		"identity-logout": {}, "identity-me": {}, "message-list": {}, "message-read": {"all": true},
		"identity-session-background": {}, "identity-session-resume": {},
		"identity-gesture-set":       {"intent_id": id, "proofs": []any{}, "gesture": "AAAA"},
		"identity-unlock-key-set":    {"intent_id": id, "proofs": []any{}, "public_key": unlockKey(t), "signature": "AAAA"},
		"identity-cert-apply":        {"intent_id": id, "proofs": []any{}, "csr": "AAAA"},
		"identity-cert-revoke":       {},
		"identity-token-bind":        {"intent_id": id, "proofs": []any{}},
		"identity-token-report-lost": {}, "identity-token-sync": {"code": "123456", "next_code": "654321"},
		"transfer-confirm": {"intent_id": id, "proofs": []any{}}, "transfer-get": {"transfer_id": id}, "transfer-list": {},
		"transfer-prepare": {"debit_account_id": id, "payee_account_id": uuid.NewString(), "amount_fen": 1},
	}[name]
	if !ok {
		t.Fatalf("%s is not in the table of requests", name)
	}
	return request
}

// unlockKey is the public part of a fresh key.
func unlockKey(t testing.TB) []byte {
	t.Helper()
	public, err := keytest.PrivateKey(t).Public().Marshal()
	check.Must(t, err)
	return public
}

// kept is all that Redis keeps, but for the counters of rate.
func kept(b *bank.Bank) []string {
	return slices.DeleteFunc(b.Redis.Keys(), func(key string) bool { return rateKey.MatchString(key) })
}

// rateKey matches the counts of calls, of refused calls and of failed log-ins.
var rateKey = regexp.MustCompile(`(^|:)rate:|^refused:|^failures:`)

// The database always fails here, so that a function which looked at anything would
// answer SERVICE_UNAVAILABLE.
func TestNobodyGetsPastThePublicFunctions(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-012.1")
	req.Covers(t, "LOGIC-003.3")
	b := bank.On(t, pgtest.Broken(t))
	nobody := b.Device(t, "phone-of-nobody")
	ended := b.Device(t, "phone-of-wang")
	check.Must(t, b.Host.Sessions.Start(t.Context(), ended.Channel, uuid.New()))
	b.Advance(idle)
	for _, f := range protected(t) {
		request := wellFormed(t, f.Spec.Name)
		before := kept(b)
		for name, d := range map[string]*bank.Device{"nobody": nobody, "an ended session": ended} {
			if got := call(t, d, f.Spec.Name, request); got.Status != http.StatusUnauthorized || got.Code != "SESSION_REQUIRED" {
				t.Errorf("%s: %s got %d %q", f.Spec.Name, name, got.Status, got.Code)
			}
		}
		if diff := cmp.Diff(before, kept(b)); diff != "" {
			t.Errorf("%s changed what Redis keeps (-before +after):\n%s", f.Spec.Name, diff)
		}
	}
	for _, name := range public {
		if got := call(t, nobody, name, fields{}); got.Status == http.StatusUnauthorized {
			t.Errorf("%s is listed as public and asks for a session", name)
		}
	}
}

// A body outside the channel, and one under the channel's number that was not
// sealed in it, get one answer with a live session, an ended one and none.
func TestOutsideTheChannelNoSessionCounts(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-030.2")
	b := bank.On(t, pgtest.Broken(t))
	live, ended, none := b.Device(t, "phone-of-wang"), b.Device(t, "phone-of-li"), b.Device(t, "phone-of-nobody")
	check.Must(t, b.Host.Sessions.Start(t.Context(), ended.Channel, uuid.New()))
	b.Advance(idle)
	check.Must(t, b.Host.Sessions.Start(t.Context(), live.Channel, uuid.New()))
	for _, f := range protected(t) {
		plain := check.JSON(t, fields{"idempotency_key": "key", "request": wellFormed(t, f.Spec.Name)})
		answers := map[string][]string{}
		for name, d := range map[string]*bank.Device{"live": live, "ended": ended, "none": none} {
			unsealed := append(d.Frame(t, f, "key", fields{})[:40:40], plain...)
			for _, body := range [][]byte{plain, unsealed} {
				got := d.Send(t, f, body)
				got.Want(t, "FRAME_REJECTED")
				answers[name] = append(answers[name], bank.Untraced(string(got.Body)))
			}
		}
		if cmp.Diff(answers["live"], answers["ended"]) != "" || cmp.Diff(answers["live"], answers["none"]) != "" {
			t.Errorf("%s answers differently: %v", f.Spec.Name, answers)
		}
	}
}

// A login takes two factors. With one of them every protected function refuses, also
// those that move money or show personal data.
func TestOneFactorOpensNoFunction(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-007.1", "AUTH-012.2")
	p := newFixture(t)
	tablet := p.Device(t, "tablet-of-wang")
	digits := p.numberCode(t, tablet, otp.Login, p.wang.Phone)
	both := login(t, tablet, p.wang.Customer, digits)
	for name, one := range map[string]fields{
		"password": with(both, "otp", otptest.Wrong(digits)), "code": with(both, "password", tablet.Password(t, "not-it-2026")),
		"password twice": with(both, "otp", bank.TradePassword),
	} {
		p.calm(t)
		call(t, tablet, "identity-login", one).Want(t, "LOGIN_FAILED")
		for _, f := range protected(t) {
			if got := call(t, tablet, f.Spec.Name, wellFormed(t, f.Spec.Name)); got.Status != http.StatusUnauthorized {
				t.Errorf("%s alone: %s answers %d %q", name, f.Spec.Name, got.Status, got.Code)
			}
		}
	}
	in := p.prepare(t, p.wang, p.li, 1_00)
	for name, one := range map[string]fields{
		"code": code(p.codeFor(t, p.wang, in)), "signature": signed(t, p.wang.phone, in.Text),
		"trade password": password(t, p.wang.phone, bank.TradePassword),
	} {
		if got := confirm(t, p.wang.phone, in, one); got.Code != "STEPUP_STRONGER" {
			t.Errorf("a transfer by %s alone: %q", name, got.Code)
		}
	}
	if n := p.posted(t); n != 0 {
		t.Errorf("%d transfers are posted", n)
	}
	p.calm(t)
	call(t, tablet, "identity-login", both).Want(t, "")
	call(t, tablet, "identity-me", fields{}).Want(t, "")
}

// A session ends by idleness, by logout and by a login elsewhere. Only a new login
// opens a function again, on any instance.
func TestAnEndedSessionStaysEnded(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-012.3")
	req.Covers(t, "SESSION-001.1", "SESSION-001.2", "SESSION-002.2")
	p := newFixture(t)
	poor := person{p.Customer(t, "赵六"), p.Device(t, "phone-of-zhao")} // has no account and moves no money
	check.Must(t, p.Seeder().SignUp(t.Context(), poor.Customer, bank.LoginPassword, bank.TradePassword, "", nil))
	for name, end := range map[string]func(who person){
		"idle":   func(person) { p.Advance(idle) },
		"logout": func(who person) { call(t, who.phone, "identity-logout", fields{}).Want(t, "") },
		"login elsewhere": func(who person) {
			check.Must(t, p.Host.Sessions.Start(t.Context(), p.Device(t, "tablet-of-"+who.Phone).Channel, who.ID))
		},
	} {
		for _, who := range []person{p.wang, poor} {
			call(t, who.phone, "identity-login", login(t, who.phone, who.Customer, p.numberCode(t, who.phone, otp.Login, who.Phone))).
				Want(t, "")
			elsewhere := moved(t, who.phone, p.second(t))
			p.Advance(idle - time.Second)
			call(t, who.phone, "identity-me", fields{}).Want(t, "") // just in time, and the limit starts anew
			p.Advance(idle - time.Second)
			elsewhere.Sequence.Store(who.phone.Sequence.Load())
			call(t, elsewhere, "identity-me", fields{}).Want(t, "")
			who.phone.Sequence.Store(elsewhere.Sequence.Load())
			end(who)
			for range 2 { // and it stays ended
				for _, f := range protected(t) {
					if got := call(t, who.phone, f.Spec.Name, wellFormed(t, f.Spec.Name)); got.Status != http.StatusUnauthorized {
						t.Errorf("%s, %s: %s answers %d %q", who.Name, name, f.Spec.Name, got.Status, got.Code)
					}
				}
				elsewhere.Sequence.Store(who.phone.Sequence.Load())
				if got := call(t, elsewhere, "identity-me", fields{}); got.Status != http.StatusUnauthorized {
					t.Errorf("%s, %s: on another instance %d %q", who.Name, name, got.Status, got.Code)
				}
				who.phone.Sequence.Store(elsewhere.Sequence.Load())
				p.Advance(time.Minute)
			}
			digits := p.numberCode(t, who.phone, otp.Login, who.Phone)
			call(t, who.phone, "identity-login", login(t, who.phone, who.Customer, digits)).Want(t, "")
			call(t, who.phone, "identity-me", fields{}).Want(t, "")
		}
	}
}

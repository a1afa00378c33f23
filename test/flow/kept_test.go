package flow_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/req"
)

// wire calls functions and keeps the frames and replies, and the answers as the app
// opens them.
type wire struct {
	bytes   strings.Builder
	answers strings.Builder
	called  []string
}

func (w *wire) call(t *testing.T, d *bank.Device, name string, request any) bank.Reply {
	t.Helper()
	d.Wire = &w.bytes
	reply := call(t, d, name, request)
	w.answers.Write(reply.Body)
	w.called = append(w.called, name)
	return reply
}

// wantNowhere searches places for secrets in each of their spellings.
func wantNowhere(t *testing.T, places, secrets map[string]string) {
	t.Helper()
	for place, text := range places {
		for what, secret := range secrets {
			for _, spelling := range spellings(secret) {
				if len(spelling) < 6 {
					t.Fatalf("%q is too short to look for", spelling)
				}
				if bank.Shows(text, spelling) {
					t.Errorf("the %s shows the %s as %q", place, what, spelling)
				}
			}
		}
	}
}

// TestSecretsAreNowhere sends passwords and codes, right and wrong, through every
// function that takes one, and then searches the wire, the answers, the database
// with its events, the cache and the log.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "OTP-005.3")
	req.Covers(t, "PWD-017.1", "PWD-017.2")
	p := newFixture(t)
	w := &wire{}
	who := p.applicant(t, "赵六")
	const wrongLogin, wrongTrade, wrongCard = "not-it-2026x", "480275", "295731"

	signUpCode := p.numberCode(t, who.phone, otp.Register, who.Phone)
	signUp := application(t, who.phone, who.Customer, signUpCode)
	w.call(t, who.phone, "identity-register", with(signUp, "card_password", who.phone.Password(t, wrongCard))).
		Want(t, "REGISTRATION_REFUSED")
	w.call(t, who.phone, "identity-register", signUp).Want(t, "")
	loginCode := p.numberCode(t, who.phone, otp.Login, who.Phone)
	entry := login(t, who.phone, who.Customer, loginCode)
	w.call(t, who.phone, "identity-login", with(entry, "password", who.phone.Password(t, wrongLogin))).Want(t, "LOGIN_FAILED")
	w.call(t, who.phone, "identity-login", entry).Want(t, "")
	var in transferprepare.Response
	w.call(t, who.phone, "transfer-prepare", p.order(who, p.li, 1_00)).Into(t, &in)
	w.call(t, who.phone, "otp-send", fields{"purpose": otp.Intent, "intent_id": in.IntentID}).Want(t, "")
	orderCode := otptest.Code(t, p.Bank, stepup.Subject(in.IntentID))
	wrong := confirmation(in, code(orderCode), password(t, who.phone, wrongTrade))
	w.call(t, who.phone, "transfer-confirm", wrong).Want(t, "PROOF_REJECTED")
	w.call(t, who.phone, "transfer-confirm", confirmation(in, code(orderCode), password(t, who.phone, bank.TradePassword))).
		Want(t, "")
	const freshLogin = "star-2028z"
	w.call(t, who.phone, "identity-alias-set", p.alias(t, who, "tide.fan")).Want(t, "")
	w.call(t, who.phone, "identity-phone-change", p.phoneChange(t, who, bank.LoginPassword)).Want(t, "")
	who.Phone = newPhone
	loginChange := p.change(t, who, stepup.ChangeLoginPassword)
	w.call(t, who.phone, "identity-password-change",
		with(loginChange, "proofs", []fields{loginPassword(t, who.phone, wrongLogin)})).Want(t, "PROOF_REJECTED")
	w.call(t, who.phone, "identity-password-change", loginChange).Want(t, "")
	applying := p.applying(t, who)
	proofs, _ := applying["proofs"].([]fields)
	proofs[2] = loginPassword(t, who.phone, newLogin) // the key is of today
	w.call(t, who.phone, "identity-cert-apply", applying).Want(t, "")
	_, binding := p.binding(t, who)
	w.call(t, who.phone, "identity-token-bind", binding).Want(t, "")
	w.call(t, who.phone, "identity-device-unlock", p.unlocking(t, who)).Want(t, "")
	w.call(t, who.phone, "identity-trade-password-set", p.change(t, who, stepup.ChangeTradePassword)).Want(t, "")
	const wrongGesture = "147896325"
	w.call(t, who.phone, "identity-unlock-key-set", p.faceKey(t, who, newTrade)).Want(t, "")
	w.call(t, who.phone, "identity-gesture-set", p.gesture(t, who, newLogin)).Want(t, "")
	quick := p.quick(t, who)
	w.call(t, who.phone, "identity-quick-login", with(quick, "gesture", who.phone.Password(t, wrongGesture))).Want(t, "LOGIN_FAILED")
	w.call(t, who.phone, "identity-quick-login", p.quick(t, who)).Want(t, "")
	resetCode := p.numberCode(t, who.phone, otp.Forgotten, who.Phone)
	reset := bank.Fields(t, who.phone.ResetPassword(t, who.Customer, resetCode, freshLogin))
	w.call(t, who.phone, "identity-password-reset", with(reset, "name", p.li.Name)).Want(t, "RESET_REFUSED")
	w.call(t, who.phone, "identity-password-reset", reset).Want(t, "")
	takers := 0
	for _, f := range served(t) {
		for field := range schema(t, f.Spec.Name).Properties {
			if strings.Contains(field, "password") || field == "proofs" || field == "otp" {
				takers++
				if !slices.Contains(w.called, f.Spec.Name) {
					t.Errorf("%s takes %s and was not called", f.Spec.Name, field)
				}
			}
		}
	}
	if takers < 7 {
		t.Fatalf("only %d elements take a secret", takers)
	}
	places := map[string]string{
		"wire": w.bytes.String(), "answers": w.answers.String(), "database": p.Stored(t), "cache": p.Cached(t),
		"log": p.Log.String(),
	}
	for place, known := range map[string]string{ // the search must find values that are there
		"answers": "registered", "database": "com.tidebank.transfer.posted.v1", "cache": who.phone.ID, "log": "PROOF_REJECTED",
	} {
		if !strings.Contains(places[place], known) {
			t.Errorf("the search of the %s does not find %q", place, known)
		}
	}
	if len(places["wire"]) < 4000 {
		t.Errorf("only %d bytes went over the wire", len(places["wire"]))
	}
	wantNowhere(t, places, map[string]string{
		"login password": bank.LoginPassword, "trade password": bank.TradePassword, "card password": bank.CardPassword,
		"wrong login password": wrongLogin, "wrong trade password": wrongTrade, "wrong card password": wrongCard,
		"gesture": bank.Gesture, "wrong gesture": wrongGesture,
		"changed login password": newLogin, "changed trade password": newTrade, "reset login password": freshLogin,
		"code of the reset": resetCode, "code to sign up": signUpCode, "code to log in": loginCode, "code of the order": orderCode,
	})
}

// A search that finds nothing is worth something only if it would find.
func TestTheSearchFindsEverySpelling(t *testing.T) {
	t.Parallel()
	const secret = "tide-2026x"
	for _, text := range []string{
		"x tide-2026x y", "74696465" + "2d323032" + "3678", "74696465" + "2D323032" + "3678",
		"dGlkZS0yMDI2eA==", "eHRpZGUtMjAyNng=", "eHh0aWRlLTIwMjZ4",
	} {
		if !slices.ContainsFunc(spellings(secret), func(s string) bool { return strings.Contains(text, s) }) {
			t.Errorf("%q is not found among %v", text, spellings(secret))
		}
	}
}

// TestTheCacheKeepsNothingForGood calls every function and then reads Redis. Each entry
// expires, none shows a secret or its customer in clear, and one customer's entry opens
// nothing for another.
func TestTheCacheKeepsNothingForGood(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-014.4", "LOGIC-014.5")
	p := newFixture(t)
	good := p.good(t)
	id := captchatest.Solved(t, p.Bank, p.wang.phone)
	for _, name := range logoutLast(good) {
		if name != "identity-logout" {
			call(t, p.wang.phone, name, good[name]).Want(t, "")
		}
	}
	kinds := map[string]bool{}
	for _, key := range p.Redis.Keys() {
		if p.Redis.TTL(key) <= 0 {
			t.Errorf("%s has no end", key)
		}
		kinds[regexp.MustCompile(`[0-9a-f-]{16,}|\d+`).ReplaceAllString(key, "*")] = true
	}
	for _, kind := range []string{"captcha:*", "logins:*", "{*}:channel", "{*}:login", "{*}:rate:auth", "rate:open:*"} {
		if !kinds[kind] {
			t.Errorf("no entry %s among %v", kind, kinds)
		}
	}
	if !p.Redis.Exists("captcha:" + id) {
		t.Error("the graphic code is not kept")
	}
	keys := p.wang.phone.Keys
	wantNowhere(t, map[string]string{"cache": p.Cached(t)}, map[string]string{
		"name": p.wang.Name, "phone": p.wang.Phone, "identity number": p.wang.IDNo, "card": p.wang.Accounts[0].No,
		"login password": bank.LoginPassword, "trade password": bank.TradePassword, "graphic code": captchatest.Answer,
		"key to the bank": string(keys.ClientToServer[:]), "key from the bank": string(keys.ServerToClient[:]),
	})

	// One customer's channel keys, put in another's place, open nothing.
	place := func(d *bank.Device) string { return "{" + hex.EncodeToString(d.Channel[:]) + "}:channel" }
	fresh := moved(t, p.wang.phone, p.second(t))
	fresh.Sequence.Store(900)
	call(t, fresh, "identity-me", fields{}).Want(t, "")
	p.Redis.HSet(place(p.wang.phone), "keys", p.Redis.HGet(place(p.li.phone), "keys"))
	fresh = moved(t, p.wang.phone, p.second(t))
	fresh.Sequence.Store(950)
	call(t, fresh, "identity-me", fields{}).Want(t, "CHANNEL_EXPIRED")
	fresh.Keys = p.li.phone.Keys
	call(t, fresh, "identity-me", fields{}).Want(t, "CHANNEL_EXPIRED")
}

// TestAWarmInstanceKeepsCustomersApart is not parallel: it watches the folder of
// temporary files.
func TestAWarmInstanceKeepsCustomersApart(t *testing.T) {
	req.Covers(t, "LOGIC-014.1")
	p := newFixture(t)
	good := p.good(t)
	other := person{p.Customer(t, "孙七", 5_00, 6_00), p.Device(t, "phone-of-sun")}
	other.phone.LoginAs(t, other.Customer)
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	if os.TempDir() != folder {
		t.Fatalf("temporary files go to %s", os.TempDir())
	}
	first := ""
	for _, name := range logoutLast(good) { // one instance of each function serves both
		if name != "identity-logout" {
			first += string(call(t, p.wang.phone, name, good[name]).Body)
		}
	}
	own := map[string]fields{
		"account-alias-set": {"account_id": other.AccountIDs[0], "alias": "工资卡"},
		"account-detail":    {"account_id": other.AccountIDs[0]}, "account-statement": {"account_id": other.AccountIDs[0]},
		"identity-login": with(good["identity-login"], "otp", "000000"), "transfer-get": {"transfer_id": uuid.New()},
		"message-read": {"all": true}, "otp-send": {"purpose": otp.Login, "phone": other.Phone},
		"transfer-prepare": {"debit_account_id": other.AccountIDs[0], "payee_account_id": other.AccountIDs[1], "amount_fen": 1},
		"transfer-confirm": {"intent_id": uuid.New(), "proofs": []any{}},
		"channel-open":     hello(t, "phone-of-sun"), "identity-register": good["identity-register"],
	}
	second := ""
	for _, name := range logoutLast(good) {
		request, named := own[name]
		if !named { // it names nothing of a customer's
			request = good[name]
		}
		second += string(call(t, other.phone, name, request).Body)
	}
	hers := map[string]string{
		"id": p.wang.ID.String(), "name": "**明", "account": p.wang.AccountIDs[0].String(),
		"second account": p.wang.AccountIDs[1].String(), "transfer": fmt.Sprint(good["transfer-get"]["transfer_id"]),
		"device": p.wang.phone.ID, "phone": p.wang.Phone[:3] + "****" + p.wang.Phone[7:], "payee": "*四",
	}
	shown := 0
	for what, text := range hers {
		if strings.Contains(first, text) {
			shown++
		}
		if strings.Contains(second, text) {
			t.Errorf("the second customer is shown the first one's %s", what)
		}
	}
	if shown < 6 || !strings.Contains(second, "*七") {
		t.Errorf("only %d of the first customer's particulars were shown to her", shown)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

package aliasset_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	identityaliasset "github.com/tidebank/tidebank/functions/identity/aliasset"
	identitylogin "github.com/tidebank/tidebank/functions/identity/login"
	identitypasswordchange "github.com/tidebank/tidebank/functions/identity/passwordchange"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

const alias, wrong = "Tide.Fan-1990", "not-it-2026"

// fixture is a pair of customers who are both logged in.
type fixture struct {
	bank.Pair
	other bank.Pair // the payee on an own phone
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 100_00)}
	w.other = bank.Pair{Bank: w.Bank, Phone: w.Device(t, "phone-of-li"), Payer: w.Payee, Payee: w.Payer}
	w.other.Phone.LoginAs(t, w.Payee)
	return w
}

// request is a good request of a pair's payer to set an alias.
func request(t *testing.T, p bank.Pair, text string) identityaliasset.Request {
	t.Helper()
	in := p.PrepareChange(t, stepup.SetAlias)
	return identityaliasset.Request{Alias: text, Confirmation: stepup.Confirmation{
		IntentID: in.IntentID, Proofs: []stepup.Proof{p.KnownLogin(t, bank.LoginPassword), p.CodeFor(t, in.IntentID)},
	}}
}

func set(t *testing.T, p bank.Pair, text string) bank.Reply {
	t.Helper()
	return p.Phone.Call(t, identityaliasset.Function, uuid.NewString(), request(t, p, text))
}

// code asks for a code by an alias and reads it.
func (w fixture) code(t *testing.T, d *bank.Device, text string) string {
	t.Helper()
	w.Exec(t, "DELETE FROM otp_quota")
	d.Call(t, otpsend.Function, "", otptest.AliasRequest(t, w.Bank, d, text)).Want(t, "")
	return otptest.Code(t, w.Bank, otptest.AliasSubject(t, w.Bank, d, text))
}

// login is a login of the payer by an alias.
func login(t *testing.T, d *bank.Device, text, password, code string) identitylogin.Request {
	t.Helper()
	r := d.LogIn(t, seed.Customer{}, code)
	r.Alias, r.Password = text, d.Password(t, password)
	return r
}

// logIn logs in by an alias from a new phone, with a right code.
func (w fixture) logIn(t *testing.T, text, password string) bank.Reply {
	t.Helper()
	d := w.Device(t, "pad-"+uuid.NewString())
	return d.Call(t, identitylogin.Function, "", login(t, d, text, password, w.code(t, d, text)))
}

// The alias stands for the number, in any letter case; password and code are both needed.
func TestLoginByAlias(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-027.1")
	w := newFixture(t)
	unknown := w.logIn(t, alias, bank.LoginPassword)
	unknown.Want(t, "LOGIN_FAILED")
	set(t, w.Pair, alias).Want(t, "")
	for _, text := range []string{alias, strings.ToLower(alias), strings.ToUpper(alias)} {
		bank.WantSame(t, "a wrong password", w.logIn(t, text, wrong), unknown)
		w.logIn(t, text, bank.LoginPassword).Want(t, "")
	}
	d := w.Device(t, "pad")
	code := w.code(t, d, alias)
	good := login(t, d, alias, bank.LoginPassword, code)
	bank.WantSame(t, "a wrong code", d.Call(t, identitylogin.Function, "", bank.With(t, good, "otp", otptest.Wrong(code))), unknown)
	for name, spoiled := range map[string]map[string]any{
		"phone": bank.With(t, good, "phone", w.Payer.Phone), "otp": bank.With(t, good, "otp", ""),
		"alias": bank.With(t, good, "alias", "a"+w.Payer.Phone),
	} {
		if got := d.Call(t, identitylogin.Function, "", spoiled); got.Code != "INPUT_INVALID" {
			t.Errorf("%s: %s", name, got.Body)
		}
	}
	d.Call(t, identitylogin.Function, "", good).Want(t, "")

	w.Phone.LoginAs(t, w.Payer)
	set(t, w.Pair, "other.1990").Want(t, "")
	w.logIn(t, alias, bank.LoginPassword).Want(t, "LOGIN_FAILED")
	w.logIn(t, "other.1990", bank.LoginPassword).Want(t, "")
}

// The number's lock holds for its alias too.
func TestTheAliasSharesTheNumbersLock(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	set(t, w.Pair, alias).Want(t, "")
	for range 5 {
		w.logIn(t, alias, wrong).Want(t, "LOGIN_FAILED")
	}
	w.logIn(t, alias, bank.LoginPassword).Want(t, "LOGIN_FAILED")
	d := w.Device(t, "pad")
	w.Exec(t, "DELETE FROM otp_quota")
	byNumber := d.LogIn(t, w.Payer, otptest.Ask(t, w.Bank, d, otp.Login, w.Payer.Phone))
	d.Call(t, identitylogin.Function, "", byNumber).Want(t, "LOGIN_FAILED")
	w.ForgetAttempts(t)
	w.logIn(t, alias, bank.LoginPassword).Want(t, "")
}

// Whoever knows an alias and a number does not learn whether they are of one customer: not
// from codes, and not from failures.
func TestNobodyLearnsWhoseAnAliasIs(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	set(t, w.Pair, alias).Want(t, "")
	var answers []string
	for i, number := range []string{w.Payer.Phone, w.Payee.Phone, "13900000000"} {
		d := w.Device(t, "phone-of-stranger-"+string(rune('a'+i)))
		w.Exec(t, "DELETE FROM otp_quota")
		seen := []bank.Reply{d.Call(t, otpsend.Function, "", otptest.AliasRequest(t, w.Bank, d, alias))}
		for range 4 { // a graphic code is needed after three
			seen = append(seen, d.Call(t, identitylogin.Function, "", login(t, d, alias, wrong, "000000")))
		}
		seen = append(seen, d.Call(t, otpsend.Function, "", otptest.Request(t, w.Bank, d, otp.Login, number)))
		guess := d.LogIn(t, seed.Customer{}, "000000")
		guess.Phone = number
		seen = append(seen, d.Call(t, identitylogin.Function, "", guess))
		told := ""
		for _, reply := range seen {
			told += " " + reply.Code
		}
		answers = append(answers, told)
	}
	if slices.Sort(answers); len(slices.Compact(answers)) != 1 {
		t.Errorf("the answers differ: %q", answers)
	}
}

// An alias is one customer's, in any letter case, also when two set it at once.
func TestAnAliasIsOneCustomers(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-027.2")
	w := newFixture(t)
	set(t, w.Pair, alias).Want(t, "")
	set(t, w.Pair, strings.ToUpper(alias)).Want(t, "") // it is the customer's own
	set(t, w.other, strings.ToLower(alias)).Want(t, "ALIAS_TAKEN")
	for n := range 5 {
		text := "race.of." + string(rune('a'+n))
		requests := []identityaliasset.Request{request(t, w.Pair, text), request(t, w.other, text)}
		codes := map[string]int{}
		for _, reply := range check.AtOnce(2, func(i int) bank.Reply {
			return []bank.Pair{w.Pair, w.other}[i].Phone.Call(t, identityaliasset.Function, uuid.NewString(), requests[i])
		}) {
			codes[reply.Code]++
		}
		if codes[""] != 1 || codes["ALIAS_TAKEN"] != 1 {
			t.Errorf("both at once: %v", codes)
		}
	}
}

func TestAnAliasLooksLikeNoNumber(t *testing.T) {
	t.Parallel()
	req.Covers(t, "AUTH-027.3")
	w := newFixture(t)
	r := request(t, w.Pair, alias)
	for _, text := range []string{
		w.Payer.Phone, "+86" + w.Payer.Phone, "a" + w.Payer.Phone, "tel." + w.Payer.Phone[:3] + "-" + w.Payer.Phone[3:],
		w.Payer.IDNo, "id" + w.Payer.IDNo, "id" + w.Payer.IDNo[:6] + "_" + w.Payer.IDNo[6:14], "E12345678", "a1234567",
		w.Payer.Accounts[0].No, "no" + w.Payer.Accounts[0].No[:16], "62-2848-0000", "Ａ13900001111",
		"abc", strings.Repeat("a", 21), "1990fan", "汐汐汐汐", "a b c",
	} {
		r.Alias = text
		got := w.Phone.Call(t, identityaliasset.Function, uuid.NewString(), r)
		if got.Code != "INPUT_INVALID" || got.Problem.Field != "alias" {
			t.Errorf("%q: %d %q of %q", text, got.Status, got.Code, got.Problem.Field)
		}
	}
	r.Alias = "a123456"
	w.Phone.Call(t, identityaliasset.Function, uuid.NewString(), r).Want(t, "")
}

// Neither is the alias the password, nor is the password the alias or the name, in any letter
// case. A refusal uses no proof up.
func TestAliasAndPasswordDiffer(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PWD-013.1", "PWD-013.2")
	w := newFixture(t)
	r := request(t, w.Pair, alias)
	for _, text := range []string{bank.LoginPassword, strings.ToUpper(bank.LoginPassword)} {
		got := w.Phone.Call(t, identityaliasset.Function, uuid.NewString(), bank.With(t, r, "alias", text))
		if got.Code != "INPUT_INVALID" || got.Problem.Detail != "别名不能与登录密码相同" {
			t.Errorf("the password as alias: %s", got.Body)
		}
	}
	w.Phone.Call(t, identityaliasset.Function, uuid.NewString(), r).Want(t, "")
	in := w.PrepareChange(t, stepup.ChangeLoginPassword)
	proofs := []stepup.Proof{w.KnownLogin(t, bank.LoginPassword), w.CodeFor(t, in.IntentID)}
	for _, text := range []string{alias, strings.ToLower(alias), strings.ToUpper(alias), w.Payer.Name} {
		got := w.Phone.Call(t, identitypasswordchange.Function, uuid.NewString(), identitypasswordchange.Request{
			Confirmation:  stepup.Confirmation{IntentID: in.IntentID, Proofs: proofs},
			LoginPassword: w.Phone.Password(t, text),
		})
		if got.Code != "PASSWORD_WEAK" || !slices.Contains(got.Problem.Rules, "user_name") {
			t.Errorf("%q: %q %v", text, got.Code, got.Problem.Rules)
		}
	}
}

// The password alone, or a code alone, sets no alias.
func TestAnAliasNeedsTwoFactors(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := request(t, w.Pair, alias)
	for i := range r.Proofs {
		one := r
		one.Proofs = r.Proofs[i : i+1]
		w.Phone.Call(t, identityaliasset.Function, uuid.NewString(), one).Want(t, "STEPUP_STRONGER")
	}
	guessed := r
	guessed.Proofs = []stepup.Proof{w.KnownLogin(t, wrong), r.Proofs[1]}
	w.Phone.Call(t, identityaliasset.Function, uuid.NewString(), guessed).Want(t, "PROOF_REJECTED")
	w.other.Phone.Call(t, identityaliasset.Function, uuid.NewString(), r).Want(t, "OBJECT_NOT_FOUND")
	w.Phone.Call(t, identityaliasset.Function, "one key", r).Want(t, "")
	w.Phone.Call(t, identityaliasset.Function, "one key", r).Want(t, "")
	w.Phone.Call(t, identityaliasset.Function, uuid.NewString(), r).Want(t, "INTENT_USED")
}

// Neither a table, nor the log, nor an event shows the alias.
func TestAnAliasRestsSealed(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	set(t, w.Pair, alias).Want(t, "")
	set(t, w.other, alias).Want(t, "ALIAS_TAKEN")
	w.logIn(t, alias, wrong).Want(t, "LOGIN_FAILED")
	w.logIn(t, alias, bank.LoginPassword).Want(t, "")
	for place, text := range map[string]string{"database": w.Stored(t), "log": w.Log.String(), "cache": w.Cached(t)} {
		if bank.Shows(text, alias) || strings.Contains(strings.ToLower(text), strings.ToLower(alias)) {
			t.Errorf("the %s shows the alias", place)
		}
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	r := request(t, w.Pair, alias)
	w.Host.DB = pgtest.Broken(t)
	w.Phone.Call(t, identityaliasset.Function, uuid.NewString(), r).Want(t, "SERVICE_UNAVAILABLE")
}

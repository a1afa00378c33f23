// Package flow proves rules that hold for all functions of the bank: for every flow,
// request and answer, and for all that the bank keeps.
package flow_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/functions"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/test/pgtest"
)

// fixture is a bank with two customers. Each has two accounts, has signed up and is
// logged in on an own phone.
type fixture struct {
	*bank.Bank
	url      string // of the database
	faces    facetest.Engine
	wang, li person
}

type person struct {
	seed.Customer
	phone *bank.Device
}

type fields = map[string]any

func newFixture(t *testing.T) fixture {
	t.Helper()
	db, url := pgtest.NewURL(t)
	return fixtureOn(t, bank.On(t, db), url)
}

func fixtureOn(t *testing.T, b *bank.Bank, url string) fixture {
	t.Helper()
	p := fixture{Bank: b, url: url, faces: facetest.Start(t, b)}
	p.wang = person{b.Customer(t, "王小明", 100_000_00, 100_00), b.Device(t, "phone-of-wang")}
	p.li = person{b.Customer(t, "李四", 100_000_00, 100_00), b.Device(t, "phone-of-li")}
	for _, who := range []person{p.wang, p.li} {
		who.phone.LoginAs(t, who.Customer)
	}
	return p
}

// served are the functions that answer requests. There are at least fifteen.
func served(t testing.TB) []fn.Function {
	t.Helper()
	list := slices.DeleteFunc(functions.All(), func(f fn.Function) bool { return f.Response == nil })
	if len(list) < 15 {
		t.Fatalf("only %d functions answer requests", len(list))
	}
	return list
}

// call sends a request to a function by its name, under a fresh key.
func call(t testing.TB, d *bank.Device, name string, request any) bank.Reply {
	t.Helper()
	f := functest.Named(t, name)
	if f.Spec.NoChannel {
		return d.Send(t, f, check.JSON(t, request))
	}
	return d.Call(t, f, uuid.NewString(), request)
}

func (p fixture) order(from, to person, amount money.Fen) fields {
	return fields{
		"debit_account_id": from.AccountIDs[0], "payee_account_no": to.Accounts[0].No, "payee_name": to.Name,
		"amount_fen": amount,
	}
}

func (p fixture) prepare(t testing.TB, from, to person, amount money.Fen) transferprepare.Response {
	t.Helper()
	var in transferprepare.Response
	call(t, from.phone, "transfer-prepare", p.order(from, to, amount)).Into(t, &in)
	return in
}

// signed is a device's signature over an intent's text.
func signed(t testing.TB, d *bank.Device, text string) fields {
	t.Helper()
	return fields{"factor": "device_key", "signature": d.Sign(t, text)}
}

func password(t testing.TB, d *bank.Device, clear string) fields {
	t.Helper()
	return fields{"factor": "trade_password", "password": d.Password(t, clear)}
}

// loginPassword is the proof of a change by the login password.
func loginPassword(t testing.TB, d *bank.Device, clear string) fields {
	t.Helper()
	return fields{"factor": "login_password", "password": d.Password(t, clear)}
}

// prepareChange prepares a change of the person's own data.
func (p fixture) prepareChange(t testing.TB, who person, what stepup.Change) transferprepare.Response {
	t.Helper()
	var in transferprepare.Response
	request := fields{"change": what}
	if what == stepup.ChangePhone {
		request["phone"] = newPhone
	}
	call(t, who.phone, "identity-change-prepare", request).Into(t, &in)
	return in
}

// change is a good request to change a password, proved by the present one and a code.
func (p fixture) change(t testing.TB, who person, what stepup.Change) fields {
	t.Helper()
	in := p.prepareChange(t, who, what)
	proof, fresh := loginPassword(t, who.phone, bank.LoginPassword), newLogin
	if what == stepup.ChangeTradePassword {
		proof, fresh = password(t, who.phone, bank.TradePassword), newTrade
	}
	return with(confirmation(in, code(p.codeFor(t, who, in)), proof), string(what), who.phone.Password(t, fresh))
}

// alias is a good request to set an alias, proved by the login password and a code.
func (p fixture) alias(t testing.TB, who person, alias string) fields {
	t.Helper()
	in := p.prepareChange(t, who, stepup.SetAlias)
	return with(confirmation(in, code(p.codeFor(t, who, in)), loginPassword(t, who.phone, bank.LoginPassword)), "alias", alias)
}

// unlocking locks the log-in to the person's phone, and is a good request to release it.
func (p fixture) unlocking(t testing.TB, who person) fields {
	t.Helper()
	call(t, who.phone, "device-lock", fields{}).Want(t, "")
	in := p.prepareChange(t, who, stepup.UnlockDevice)
	return confirmation(in, code(p.codeFor(t, who, in)), password(t, who.phone, bank.TradePassword))
}

// gesture is a good request to set the gesture bank.Gesture.
func (p fixture) gesture(t testing.TB, who person, known string) fields {
	t.Helper()
	in := p.prepareChange(t, who, stepup.SetGesture)
	return with(confirmation(in, code(p.codeFor(t, who, in)), loginPassword(t, who.phone, known), signed(t, who.phone, in.Text)),
		"gesture", who.phone.Password(t, bank.Gesture))
}

// faceKey is a good request to register a key that the person's face unlocks.
func (p fixture) faceKey(t testing.TB, who person, known string) fields {
	t.Helper()
	in := p.prepareChange(t, who, stepup.SetFace)
	public, signature := who.phone.Unlock(t, keytest.PrivateKey(t), device.ByFace)
	return with(with(confirmation(in, code(p.codeFor(t, who, in)), password(t, who.phone, known), signed(t, who.phone, in.Text)),
		"public_key", public), "signature", signature)
}

// quick keeps the person's gesture, and is a good request to log in by it.
func (p fixture) quick(t testing.TB, who person) fields {
	t.Helper()
	who.phone.KeepGesture(t, who.Customer)
	return bank.Fields(t, who.phone.QuickLogin(t, who.Customer, who.phone.Challenge(t), device.ByGesture, nil))
}

// binding hands a token out, and is a good request to bind it.
func (p fixture) binding(t testing.TB, who person) (client.Token, fields) {
	t.Helper()
	p.Exec(t, "DELETE FROM token WHERE customer_id = $1", who.ID)
	held := p.HandOut(t, who.Customer, token.SM3)
	in := p.prepareChange(t, who, stepup.BindToken)
	return held, confirmation(in, code(p.codeFor(t, who, in)), password(t, who.phone, bank.TradePassword),
		fields{"factor": "token", "code": held.Response(in.Text)})
}

// applying is a good request for a certificate.
func (p fixture) applying(t testing.TB, who person) fields {
	t.Helper()
	var in identitychangeprepare.Response
	call(t, who.phone, "identity-change-prepare", fields{"change": stepup.ApplyCertificate}).Into(t, &in)
	intent := transferprepare.Response{IntentID: in.IntentID}
	return with(confirmation(intent, code(p.codeFor(t, who, intent)), password(t, who.phone, bank.TradePassword),
		signed(t, who.phone, in.Text)), "csr", bank.CSR(t, in.Subject))
}

// faced is a good request to end a face check that serves the intent.
func (p fixture) faced(t testing.TB, who person, intent uuid.UUID) fields {
	t.Helper()
	photo := p.faces.Photo(t, who.Customer)
	c := p.faces.Begin(t, who.phone, intent)
	return bank.Fields(t, p.faces.Captured(t, c, facetest.Good(c, photo)))
}

// facePassed lets the person's face pass for the intent, and is the proof of it.
func (p fixture) facePassed(t testing.TB, who person, intent uuid.UUID) fields {
	t.Helper()
	return bank.Fields(t, p.faces.Proof(t, who.phone, intent, p.faces.Photo(t, who.Customer)))
}

// newPhone is the number that the requests of change set.
const newPhone = "13900002222"

// newPhoneCode asks for the code to the new number and reads it.
func (p fixture) newPhoneCode(t testing.TB, who person, in transferprepare.Response) string {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota")
	call(t, who.phone, "otp-send", fields{"purpose": otp.NewPhone, "intent_id": in.IntentID}).Want(t, "")
	return otptest.Code(t, p.Bank, stepup.NewPhoneSubject(in.IntentID))
}

// phoneChange is a good request to change the number, proved by a login password and codes.
func (p fixture) phoneChange(t testing.TB, who person, password string) fields {
	t.Helper()
	in := p.prepareChange(t, who, stepup.ChangePhone)
	digits := p.newPhoneCode(t, who, in)
	return with(confirmation(in, code(p.codeFor(t, who, in)), loginPassword(t, who.phone, password)), "otp", digits)
}

// The passwords that the requests of change set.
const newLogin, newTrade = "moon-2027y", "840275"

// signedUp is another customer, who has signed up and is logged in on an own phone.
func (p fixture) signedUp(t testing.TB, name string) person {
	t.Helper()
	who := person{p.Customer(t, name, 100_00), p.Device(t, "phone-of-"+uuid.NewString()[:8])}
	who.phone.LoginAs(t, who.Customer)
	return who
}

func code(digits string) fields { return fields{"factor": "sms_otp", "code": digits} }

func confirmation(in transferprepare.Response, proofs ...fields) fields {
	return fields{"intent_id": in.IntentID, "proofs": append([]fields{}, proofs...)} // never null
}

// confirm sends a confirmation from a device.
func confirm(t testing.TB, d *bank.Device, in transferprepare.Response, proofs ...fields) bank.Reply {
	t.Helper()
	return call(t, d, "transfer-confirm", confirmation(in, proofs...))
}

// proved confirms an intent by signature and trade password: two kinds of factor.
func proved(t testing.TB, who person, in transferprepare.Response) fields {
	t.Helper()
	return confirmation(in, signed(t, who.phone, in.Text), password(t, who.phone, bank.TradePassword))
}

// codeFor asks for an intent's code and reads it as the customer would.
func (p fixture) codeFor(t testing.TB, who person, in transferprepare.Response) string {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota") // the bound of one a minute is not meant here
	call(t, who.phone, "otp-send", fields{"purpose": otp.Intent, "intent_id": in.IntentID}).Want(t, "")
	return otptest.Code(t, p.Bank, stepup.Subject(in.IntentID))
}

// numberCode asks for a code of a number and reads it.
func (p fixture) numberCode(t testing.TB, d *bank.Device, purpose, number string) string {
	t.Helper()
	p.Exec(t, "DELETE FROM otp_quota")
	return otptest.Ask(t, p.Bank, d, purpose, number)
}

func login(t testing.TB, d *bank.Device, who seed.Customer, digits string) fields {
	t.Helper()
	return bank.Fields(t, d.LogIn(t, who, digits))
}

// application is a good request to sign up.
func application(t testing.TB, d *bank.Device, who seed.Customer, digits string) fields {
	t.Helper()
	return bank.Fields(t, d.SignUp(t, who, digits))
}

// second is another instance of the bank: its own connections, the same database,
// Redis and keys. Devices of the first are moved to it by moved.
func (p fixture) second(t testing.TB) *bank.Bank {
	t.Helper()
	return p.secondWith(t, p.Host.Keys)
}

// secondWith is an instance that has read the keys itself.
func (p fixture) secondWith(t testing.TB, ring *keys.Ring) *bank.Bank {
	t.Helper()
	db, err := pg.Open(t.Context(), pg.Config{URL: p.url, MaxConns: 4})
	check.Must(t, err)
	t.Cleanup(db.Close)
	other := bank.On(t, db)
	client := redis.NewClient(&redis.Options{Addr: p.Redis.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	sessions, err := session.New(client, ring, p.Clock, p.sessions())
	check.Must(t, err)
	other.Clock, other.Redis = p.Clock, p.Redis
	other.Host.Redis, other.Host.Keys, other.Host.Clock, other.Host.Sessions = client, ring, p.Clock, sessions
	return other
}

func (p fixture) sessions() session.Config {
	return session.Config{ChannelLife: p.Host.Sessions.ChannelLife(), Idle: idle}
}

// moved is the same device, but its calls go to another instance. It counts its own
// sequence: give it numbers that the channel has not met.
func moved(t testing.TB, d *bank.Device, to *bank.Bank) *bank.Device {
	t.Helper()
	m := to.Device(t, d.ID)
	m.Key, m.Channel, m.Keys, m.IP = d.Key, d.Channel, d.Keys, d.IP
	return m
}

// counted are columns in which a refused request may count its attempt.
const counted = "'{tries,in_flight,in_flight_at,trade_failures,trade_locked_until,trade_in_flight,trade_in_flight_at," +
	"trade_day,trade_day_failures,wrong_responses}'::text[]"

// rows are a digest of every table's rows, but for events of access, counts of
// tries, and the tables left out.
func (p fixture) rows(t testing.TB, without ...string) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for _, table := range p.Tables(t) {
		if slices.Contains(without, table) {
			continue
		}
		digests[table] = check.Value[string](t, p.Host.DB.Pool(), `
SELECT count(*) || ' ' || coalesce(md5(string_agg(row::text, ',' ORDER BY row::text)), '')
  FROM (SELECT to_jsonb(t) - `+counted+` AS row FROM `+table+` t) AS rows
 WHERE row ->> 'type' IS DISTINCT FROM 'com.tidebank.access.recorded.v1'`)
	}
	return digests
}

// calm resets the counts of earlier attempts.
func (p fixture) calm(t testing.TB) {
	t.Helper()
	p.ForgetAttempts(t)
	p.Exec(t, "UPDATE otp_challenge SET tries = 0, in_flight = 0")
	p.Exec(t, "DELETE FROM face_attempt")
	p.Exec(t, "UPDATE device SET gesture_failures = 0")
	p.Exec(t, "UPDATE token SET wrong_responses = 0, in_flight = 0, locked_until = NULL")
	p.Exec(t, "UPDATE credential SET trade_failures = 0, trade_in_flight = 0, trade_day_failures = 0, trade_locked_until = NULL")
}

func (p fixture) posted(t testing.TB) int {
	t.Helper()
	return p.Count(t, "SELECT count(*) FROM transfer")
}

// same fails the test if rows have changed.
func same(t testing.TB, what string, before, after map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("%s (-before +after):\n%s", what, diff)
	}
}

// with is a request and one more field, or another value of one.
func with(request fields, field string, value any) fields {
	changed := maps.Clone(request)
	changed[field] = value
	return changed
}

func without(request fields, field string) fields {
	changed := maps.Clone(request)
	delete(changed, field)
	return changed
}

// hello is a good request to open a channel.
func hello(t testing.TB, device string) fields {
	t.Helper()
	client, err := channel.NewClient(device)
	check.Must(t, err)
	return bank.Fields(t, client.Hello())
}

// spellings are a text as it could be found: as it is, in hex, and in Base64 at
// each of its three alignments.
func spellings(text string) []string {
	hexed := hex.EncodeToString([]byte(text))
	list := []string{text, hexed, strings.ToUpper(hexed)}
	for shift := range 3 {
		padded := make([]byte, shift, shift+len(text))
		_, _ = rand.Read(padded)
		encoded := base64.StdEncoding.EncodeToString(append(padded, text...))
		// Cut off the characters that also depend on the text before or after.
		list = append(list, strings.TrimRight(encoded, "=")[(shift*8+5)/6:(shift+len(text))*8/6])
	}
	return list
}

package flow_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/client"
	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identitycontractprepare "github.com/tidebank/tidebank/functions/identity/contractprepare"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

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

// pinChange is a good request to change the PIN code that the counter has given, proved by it and a code.
func (p fixture) pinChange(t testing.TB, who person) fields {
	t.Helper()
	const given, chosen = "840275", "60713942"
	p.GivePIN(t, who.Customer, given)
	in := p.prepareChange(t, who, stepup.ChangePINCode)
	proof := fields{"factor": stepup.PINCode, "password": who.phone.Password(t, given)}
	return with(confirmation(in, code(p.codeFor(t, who, in)), proof), "pin_code", who.phone.Password(t, chosen))
}

// resuming suspends the person's certificates, and is a good request to resume them.
func (p fixture) resuming(t testing.TB, who person) fields {
	t.Helper()
	p.Exec(t, "UPDATE certificate SET suspended_at = $2 WHERE customer_id = $1", who.ID, p.Clock.Now())
	in := p.prepareChange(t, who, stepup.ResumeCertificates)
	return confirmation(in, code(p.codeFor(t, who, in)), password(t, who.phone, bank.TradePassword))
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

// pin is a good request to set the PIN bank.PIN.
func (p fixture) pin(t testing.TB, who person, known string) fields {
	t.Helper()
	in := p.prepareChange(t, who, stepup.SetPIN)
	return with(confirmation(in, code(p.codeFor(t, who, in)), loginPassword(t, who.phone, known), signed(t, who.phone, in.Text)),
		"pin", who.phone.Password(t, bank.PIN))
}

// passkey is a good request to register a passkey of the person's browser.
func (p fixture) passkey(t testing.TB, who person, known string) fields {
	t.Helper()
	in := p.prepareChange(t, who, stepup.SetPasskey)
	made := who.phone.Registered(t, bank.Authenticator(t), sm.Digest([]byte(in.Text)))
	return with(confirmation(in, code(p.codeFor(t, who, in)), password(t, who.phone, known), signed(t, who.phone, in.Text)),
		"passkey", bank.Fields(t, made))
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

// spare gives the person one more account.
func (p fixture) spare(t testing.TB, who person) (id uuid.UUID, number string) {
	t.Helper()
	number = fmt.Sprintf("62284800%07d0001", 9_000_000+p.Count(t, "SELECT count(*) FROM account"))
	again := who.Person
	again.Accounts, again.Unsigned = []seed.Account{{No: number}}, true
	made, err := p.Seeder().Add(t.Context(), again)
	check.Must(t, err)
	return made.AccountIDs[0], number
}

// accountChanges are the functions that confirm a change of an account or a limit.
var accountChanges = []string{"account-add", "account-limit-set", "account-loss-lift", "account-remove"}

// accountChange prepares the change that the function confirms, of a spare account of the person.
func (p fixture) accountChange(t testing.TB, who person, function string) (in transferprepare.Response) {
	t.Helper()
	id, number := p.spare(t, who)
	request := fields{"change": "account_remove", "account_id": id}
	switch function {
	case "account-loss-lift":
		call(t, who.phone, "account-loss-report", fields{"account_id": id}).Want(t, "")
		request["change"] = "loss_lift"
	case "account-add":
		p.Exec(t, "UPDATE account SET operable = false WHERE id = $1", id)
		request = fields{"change": "account_add", "account_no": number}
	case "account-limit-set":
		request = bank.Limits("sms", 40_000_00, 50_000_00)
	}
	call(t, who.phone, "account-change-prepare", request).Into(t, &in)
	return in
}

// changingAccount is a good request to confirm a change of an account or a limit.
func (p fixture) changingAccount(t testing.TB, who person, function, trade string) fields {
	t.Helper()
	in := p.accountChange(t, who, function)
	return confirmation(in, code(p.codeFor(t, who, in)), password(t, who.phone, trade))
}

// contracting takes the person's contract for fund transactions, and is a good request to open another.
func (p fixture) contracting(t testing.TB, who person, trade string) fields {
	t.Helper()
	key := p.SoftUKey(t, who.Customer, cert.InApp)
	p.Exec(t, "ALTER TABLE fund_contract DISABLE TRIGGER fund_contract_append_only")
	p.Exec(t, "DELETE FROM fund_contract WHERE customer_id = $1", who.ID)
	p.Exec(t, "ALTER TABLE fund_contract ENABLE TRIGGER fund_contract_append_only")
	var in identitycontractprepare.Response
	call(t, who.phone, "identity-contract-prepare", fields{}).Into(t, &in)
	intent := transferprepare.Response{IntentID: in.IntentID}
	return with(confirmation(intent, code(p.codeFor(t, who, intent)), password(t, who.phone, trade),
		bank.Fields(t, key.Signed(t, stepup.SoftUKey, in.Text))), "notice_digest", in.NoticeDigest)
}

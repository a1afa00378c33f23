package functions_test

import (
	"regexp"
	"testing"

	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/otptest"

	"github.com/google/uuid"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// useToken binds a token, sets its clock and reports it lost.
func (j *journey) useToken(t *testing.T) {
	t.Helper()
	held := j.HandOut(t, j.Payer, token.SM3)
	var intent struct {
		ID   uuid.UUID `json:"intent_id"`
		Text string    `json:"text"`
	}
	j.call(t, "identity-change-prepare", map[string]any{"change": "token_bind"}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
	j.call(t, "identity-token-bind", map[string]any{"intent_id": intent.ID, "proofs": []any{
		map[string]any{"factor": "sms_otp", "code": code},
		j.Known(t),
		map[string]any{"factor": "token", "code": held.Response(intent.Text)},
	}}, &map[string]any{})
	codes := map[string]any{"code": bank.Ahead(held, -token.Step).Answer(""), "next_code": held.Answer("")}
	j.call(t, "identity-token-sync", codes, &map[string]any{})
	j.call(t, "identity-token-report-lost", struct{}{}, &map[string]any{})
}

// applyForCertificate gets a certificate.
func (j *journey) applyForCertificate(t *testing.T) {
	t.Helper()
	var intent identitychangeprepare.Response
	j.call(t, "identity-change-prepare", map[string]any{"change": "certificate"}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.IntentID})
	j.call(t, "identity-cert-apply", map[string]any{
		"intent_id": intent.IntentID, "csr": bank.CSR(t, intent.Subject), "proofs": []any{
			map[string]any{"factor": "sms_otp", "code": code}, j.Known(t), j.KnownLogin(t, bank.LoginPassword),
		},
	}, &map[string]any{})
	j.call(t, "identity-cert-suspend", struct{}{}, &map[string]any{})
	j.Exec(t, "DELETE FROM otp_quota") // the journey asks for more codes than a day has
	j.call(t, "identity-change-prepare", map[string]any{"change": "certificate_resume"}, &intent)
	code = j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.IntentID})
	j.call(t, "identity-cert-resume", map[string]any{"intent_id": intent.IntentID, "proofs": []any{
		map[string]any{"factor": "sms_otp", "code": code}, j.Known(t),
	}}, &map[string]any{})
	j.call(t, "identity-cert-revoke", struct{}{}, &map[string]any{})
}

// logInQuickly sets a gesture, a PIN, a passkey and a key that the face unlocks, and logs in by the gesture.
func (j *journey) logInQuickly(t *testing.T) {
	t.Helper()
	j.Exec(t, "DELETE FROM otp_quota") // the journey asks for more codes than a day has
	key, err := sm.GenerateKey()
	check.Must(t, err)
	public, signature := j.Phone.Unlock(t, key, device.ByFace)
	for _, set := range []struct {
		what, function string
		fields         map[string]any
	}{
		{"gesture", "identity-gesture-set", map[string]any{"gesture": j.Phone.Password(t, bank.Gesture)}},
		{"face", "identity-unlock-key-set", map[string]any{"public_key": public, "signature": signature}},
		{"pin", "identity-pin-set", map[string]any{"pin": j.Phone.Password(t, bank.PIN)}},
		{"passkey", "identity-passkey-set", map[string]any{}},
	} {
		var intent struct {
			ID   uuid.UUID `json:"intent_id"`
			Text string    `json:"text"`
		}
		j.call(t, "identity-change-prepare", map[string]any{"change": set.what}, &intent)
		code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
		set.fields["intent_id"] = intent.ID
		known := j.KnownLogin(t, bank.LoginPassword)
		if set.what == "face" || set.what == "passkey" {
			known = j.Known(t)
		}
		if set.what == "passkey" {
			set.fields["passkey"] = j.Phone.Registered(t, bank.Authenticator(t), sm.Digest([]byte(intent.Text)))
		}
		set.fields["proofs"] = []any{
			map[string]any{"factor": "sms_otp", "code": code},
			known,
			stepup.Proof{Factor: stepup.DeviceKey, Signature: j.Phone.Sign(t, intent.Text)},
		}
		j.call(t, set.function, set.fields, &map[string]any{})
	}
	var told struct{ Challenge []byte }
	j.call(t, "identity-quick-challenge", struct{}{}, &told)
	request := j.Phone.QuickLogin(t, j.Payer, told.Challenge, device.ByGesture, nil)
	j.call(t, "identity-quick-login", request, &map[string]any{})
}

// faceProof lets the customer's face pass for the intent, and is the proof of it.
func (j *journey) faceProof(t *testing.T, intent uuid.UUID) stepup.Proof {
	t.Helper()
	photo := j.faces.Photo(t, j.Payer)
	var begun struct {
		ID      uuid.UUID     `json:"check_id"`
		Nonce   []byte        `json:"nonce"`
		Actions []face.Action `json:"actions"`
	}
	j.call(t, "identity-face-begin", map[string]any{"intent_id": intent, "purpose": "security"}, &begun)
	asked := face.Challenge{ID: begun.ID, Nonce: begun.Nonce, Actions: begun.Actions}
	j.call(t, "identity-face-finish", j.faces.Captured(t, asked, facetest.Good(asked, photo)), &map[string]any{})
	return stepup.Proof{Factor: stepup.Face, CheckID: &begun.ID}
}

// changePasswords changes both passwords, and resets the login password before a new login. In
// the end they are as they were.
func (j *journey) changePasswords(t *testing.T) {
	t.Helper()
	const login, trade = "moon-2027y", "840275"
	for _, change := range []struct{ what, function, factor, field, present, fresh string }{
		{"trade_password", "identity-trade-password-set", "trade_password", "trade_password", bank.TradePassword, trade},
		{"trade_password", "identity-trade-password-set", "trade_password", "trade_password", trade, bank.TradePassword},
		{"login_password", "identity-password-change", "login_password", "login_password", bank.LoginPassword, login},
	} {
		var intent struct {
			ID uuid.UUID `json:"intent_id"`
		}
		j.call(t, "identity-change-prepare", map[string]any{"change": change.what}, &intent)
		code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
		j.call(t, change.function, map[string]any{
			"intent_id": intent.ID, change.field: j.Phone.Password(t, change.fresh), "proofs": []any{
				map[string]any{"factor": "sms_otp", "code": code},
				map[string]any{"factor": change.factor, "password": j.Phone.Password(t, change.present)},
			},
		}, &map[string]any{})
	}
	j.GivePIN(t, j.Payer, trade)
	var intent struct {
		ID uuid.UUID `json:"intent_id"`
	}
	j.call(t, "identity-change-prepare", map[string]any{"change": "pin_code"}, &intent)
	j.call(t, "identity-pin-code-set", map[string]any{
		"intent_id": intent.ID, "pin_code": j.Phone.Password(t, "60713942"), "proofs": []any{
			map[string]any{"factor": "sms_otp", "code": j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})},
			map[string]any{"factor": "pin_code", "password": j.Phone.Password(t, trade)},
		},
	}, &map[string]any{})
	code := j.code(t, otptest.Request(t, j.Bank, j.Phone, "reset", j.Payer.Phone))
	j.call(t, "identity-password-reset", j.Phone.ResetPassword(t, j.Payer, code, bank.LoginPassword), &map[string]any{})
	j.logIn(t)
}

// changePhone gives the payer a new number. One code comes to the present and one to the new one.
func (j *journey) changePhone(t *testing.T) {
	t.Helper()
	const fresh = "13900002222"
	var intent struct {
		ID uuid.UUID `json:"intent_id"`
	}
	j.call(t, "identity-change-prepare", map[string]any{"change": "phone", "phone": fresh}, &intent)
	code := j.code(t, map[string]any{"purpose": "intent", "intent_id": intent.ID})
	j.call(t, "otp-send", map[string]any{"purpose": "phone", "intent_id": intent.ID}, &map[string]any{})
	j.deliver(t)
	texts := j.sms.Inbox(fresh)
	if len(texts) != 1 {
		t.Fatalf("the new number got %v", texts)
	}
	j.call(t, "identity-phone-change", map[string]any{
		"intent_id": intent.ID, "otp": regexp.MustCompile(`\d{6}`).FindString(texts[0].Text), "proofs": []any{
			map[string]any{"factor": "sms_otp", "code": code},
			map[string]any{"factor": "login_password", "password": j.Phone.Password(t, bank.LoginPassword)},
		},
	}, &map[string]any{})
}

package passkey_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/localstack/passkeysim"
	"github.com/tidebank/tidebank/shared/passkey"
	"github.com/tidebank/tidebank/test/check"
)

const origin = "https://m.bank.example"

func site(t testing.TB) passkey.Site {
	t.Helper()
	s, err := passkey.Config{RPID: "bank.example", Origins: origin + ", https://bank.example:8443"}.Open()
	check.Must(t, err)
	return s
}

func authenticator(t testing.TB) *passkeysim.Authenticator {
	t.Helper()
	a, err := passkeysim.New("bank.example", origin)
	check.Must(t, err)
	return a
}

func registered(t testing.TB, s passkey.Site, a *passkeysim.Authenticator) passkey.Credential {
	t.Helper()
	answer, err := a.Register(challenge)
	check.Must(t, err)
	made, err := s.Register(answer, challenge)
	check.Must(t, err)
	return made
}

var challenge = bytes.Repeat([]byte{7}, 32)

func TestTheSiteIsWhatTheSettingsSay(t *testing.T) {
	t.Parallel()
	for _, c := range []passkey.Config{
		{RPID: "bank.example"},
		{Origins: origin},
		{RPID: "bank.example", Origins: "http://m.bank.example"},
		{RPID: "bank.example", Origins: "https://bank.example.evil"},
		{RPID: "bank.example", Origins: "https://evilbank.example"},
		{RPID: "bank.example", Origins: origin + "/"},
		{RPID: "bank.example", Origins: origin + ","},
		{RPID: "bank.example", Origins: "m.bank.example"},
		{RPID: "bank.example", Origins: "https://a@m.bank.example"},
	} {
		if _, err := c.Open(); err == nil {
			t.Errorf("%+v: the process starts", c)
		}
	}
	local, err := passkey.Config{RPID: "localhost", Origins: "http://localhost:8080"}.Open()
	if check.Must(t, err); !local.Offered() {
		t.Error("the local bank takes no passkeys")
	}
	none, err := passkey.Config{}.Open()
	check.Must(t, err)
	a := authenticator(t)
	answer, err := a.Register(challenge)
	check.Must(t, err)
	if _, err := none.Register(answer, challenge); err == nil || none.Offered() {
		t.Error("a bank without a site takes a passkey")
	}
	signed, err := a.Assert(challenge)
	check.Must(t, err)
	if _, err := none.Check(signed, challenge, registered(t, site(t), a)); err == nil {
		t.Error("a bank without a site takes a signature")
	}
}

// A registration answers its challenge on the site, after the customer was recognised, for one device.
func TestRegistrations(t *testing.T) {
	t.Parallel()
	s := site(t)
	for name, tt := range map[string]struct {
		change func(*passkeysim.Authenticator)
		spoil  func(*passkey.Registration)
	}{
		"not verified":       {func(a *passkeysim.Authenticator) { a.Flags = passkeysim.Present }, nil},
		"may be copied":      {func(a *passkeysim.Authenticator) { a.Flags |= passkeysim.Copyable }, nil},
		"another origin":     {func(a *passkeysim.Authenticator) { a.Origin = "https://m.bank.example.evil" }, nil},
		"another site":       {func(a *passkeysim.Authenticator) { a.RPID = "evil.example" }, nil},
		"another credential": {nil, func(r *passkey.Registration) { r.CredentialID = []byte("another") }},
		"no credential":      {nil, func(r *passkey.Registration) { r.CredentialID = nil }},
		"another algorithm": {nil, func(r *passkey.Registration) {
			r.Attestation = bytes.Replace(r.Attestation, []byte{3, 0x26}, []byte{3, 0x27}, 1)
		}},
		"a maker's word": {nil, func(r *passkey.Registration) {
			r.Attestation = bytes.Replace(r.Attestation, []byte("\x64none"), []byte("\x63tpm"), 1)
		}},
		"no attestation": {nil, func(r *passkey.Registration) { r.Attestation = nil }},
		"cut":            {nil, func(r *passkey.Registration) { r.Attestation = r.Attestation[:60] }},
		"a signature": {nil, func(r *passkey.Registration) {
			r.ClientData = bytes.Replace(r.ClientData, []byte("create"), []byte("get"), 1)
		}},
	} {
		a := authenticator(t)
		if tt.change != nil {
			tt.change(a)
		}
		answer, err := a.Register(challenge)
		check.Must(t, err)
		if tt.spoil != nil {
			tt.spoil(&answer)
		}
		if got, err := s.Register(answer, challenge); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	answer, err := authenticator(t).Register(challenge)
	check.Must(t, err)
	if _, err := s.Register(answer, make([]byte, 32)); err == nil {
		t.Error("another challenge was taken")
	}
}

// A signature holds only for its challenge, site, origin and credential, after the customer was
// recognised, and with a count above the stored one.
func TestAssertions(t *testing.T) {
	t.Parallel()
	s := site(t)
	a := authenticator(t)
	stored := registered(t, s, a)
	for name, change := range map[string]func(a *passkeysim.Authenticator){
		"not verified":   func(a *passkeysim.Authenticator) { a.Flags = passkeysim.Present },
		"not present":    func(a *passkeysim.Authenticator) { a.Flags = passkeysim.Verified },
		"may be copied":  func(a *passkeysim.Authenticator) { a.Flags |= passkeysim.Copyable },
		"another origin": func(a *passkeysim.Authenticator) { a.Origin = "https://evil.example" },
		"another port":   func(a *passkeysim.Authenticator) { a.Origin = origin + ":8443" },
		"in clear":       func(a *passkeysim.Authenticator) { a.Origin = strings.Replace(origin, "https", "http", 1) },
		"another site":   func(a *passkeysim.Authenticator) { a.RPID = "evil.example" },
		"another id":     func(a *passkeysim.Authenticator) { a.ID = []byte("another") },
	} {
		wrong := a.Copy()
		wrong.Count = 10
		change(wrong)
		signed, err := wrong.Assert(challenge)
		check.Must(t, err)
		if _, err := s.Check(signed, challenge, stored); err == nil || errors.Is(err, passkey.ErrCounter) {
			t.Errorf("%s: %v", name, err)
		}
	}
	signed, err := a.Assert(challenge)
	check.Must(t, err)
	for name, spoil := range map[string]func(*passkey.Assertion){
		"no data":       func(x *passkey.Assertion) { x.AuthenticatorData = nil },
		"another count": func(x *passkey.Assertion) { x.AuthenticatorData[36]++ },
		"a registration": func(x *passkey.Assertion) {
			x.ClientData = bytes.Replace(x.ClientData, []byte("get"), []byte("create"), 1)
		},
		"in another's page": func(x *passkey.Assertion) {
			x.ClientData = bytes.Replace(x.ClientData, []byte("false"), []byte("true"), 1)
		},
		"no signature": func(x *passkey.Assertion) { x.Signature = nil },
		"no JSON":      func(x *passkey.Assertion) { x.ClientData = []byte("{") },
	} {
		wrong := passkey.Assertion{
			CredentialID: signed.CredentialID, ClientData: bytes.Clone(signed.ClientData),
			AuthenticatorData: bytes.Clone(signed.AuthenticatorData), Signature: bytes.Clone(signed.Signature),
		}
		spoil(&wrong)
		if _, err := s.Check(wrong, challenge, stored); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := s.Check(signed, make([]byte, 32), stored); err == nil {
		t.Error("another challenge was taken")
	}
	if _, err := s.Check(signed, challenge, passkey.Credential{}); err == nil {
		t.Error("a signature without a stored passkey was taken")
	}
	if _, err := s.Check(signed, challenge, registered(t, s, authenticator(t))); err == nil {
		t.Error("a signature by another passkey was taken")
	}
	count, err := s.Check(signed, challenge, stored)
	if check.Must(t, err); count != 1 {
		t.Errorf("count %d, want 1", count)
	}
	for _, before := range []int64{1, 2, 1 << 32} {
		stored.Count = before
		if _, err := s.Check(signed, challenge, stored); !errors.Is(err, passkey.ErrCounter) {
			t.Errorf("after a count of %d: %v", before, err)
		}
	}
}

// An authenticator that keeps no count can't show that its key was not copied. It is refused, but not as a copy.
func TestAnAuthenticatorWithoutACountIsRefused(t *testing.T) {
	t.Parallel()
	s, a := site(t), authenticator(t)
	stored := registered(t, s, a)
	a.Count = math.MaxUint32 // the next is 0
	signed, err := a.Assert(challenge)
	check.Must(t, err)
	if _, err := s.Check(signed, challenge, stored); stored.Count != 0 || err == nil || errors.Is(err, passkey.ErrCounter) {
		t.Errorf("after a count of %d: %v", stored.Count, err)
	}
	stored.Count = 1
	if _, err := s.Check(signed, challenge, stored); !errors.Is(err, passkey.ErrCounter) {
		t.Errorf("after a count of 1: %v", err)
	}
}

// FuzzAssertion reads what a browser sends: no input panics, and no changed input holds.
func FuzzAssertion(f *testing.F) {
	s, a := site(f), authenticator(f)
	stored := registered(f, s, a)
	signed, err := a.Assert(challenge)
	check.Must(f, err)
	f.Add(signed.ClientData, signed.AuthenticatorData, signed.Signature)
	f.Add([]byte(`{"type":"webauthn.get"}`), bytes.Repeat([]byte{0xff}, 60), []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, clientData, data, signature []byte) {
		x := passkey.Assertion{CredentialID: stored.ID, ClientData: clientData, AuthenticatorData: data, Signature: signature}
		if _, err := s.Check(x, challenge, stored); err == nil &&
			(!bytes.Equal(clientData, signed.ClientData) || !bytes.Equal(data, signed.AuthenticatorData)) {
			t.Errorf("taken: %q %x", clientData, data)
		}
	})
}

// FuzzRegistration reads what a browser sends: no input panics.
func FuzzRegistration(f *testing.F) {
	s, a := site(f), authenticator(f)
	answer, err := a.Register(challenge)
	check.Must(f, err)
	f.Add(answer.ClientData, answer.Attestation)
	f.Fuzz(func(t *testing.T, clientData, attestation []byte) {
		made, err := s.Register(passkey.Registration{CredentialID: a.ID, ClientData: clientData, Attestation: attestation}, challenge)
		if err == nil && (len(made.PublicKey) == 0 || !json.Valid(clientData)) {
			t.Errorf("taken: %q %x", clientData, attestation)
		}
	})
}

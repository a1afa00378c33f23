package uplink_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/uplink"
)

var at = time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai)

func message() uplink.Message {
	return uplink.Message{ID: "in-1", Phone: "13900001111", Text: "12345678"}
}

// The example of docs/sms-gateway.md.
func TestTheDocumentedSignature(t *testing.T) {
	t.Parallel()
	const want = "c7be19869323e84c8a991b1fffed9876b8289aff3ed26d68c99f8dc980d68f47"
	got := message().Sign("local-sms-secret", time.Unix(1795399200, 0))
	if got.Signature != want || !got.Signed("local-sms-secret", time.Unix(1795399200, 0)) {
		t.Errorf("signed as %s", got.Signature)
	}
}

func TestASignatureIsOfTheWholeMessage(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*uplink.Message){
		"id": func(m *uplink.Message) { m.ID = "in-2" }, "phone": func(m *uplink.Message) { m.Phone = "13900001112" },
		"text": func(m *uplink.Message) { m.Text = "12345679" }, "time": func(m *uplink.Message) { m.Timestamp++ },
		"moved": func(m *uplink.Message) { m.ID, m.Phone = "in-11", "3900001111" },
		"none":  func(m *uplink.Message) { m.Signature = "" },
	} {
		m := message().Sign("secret-of-a-test", at)
		if !m.Signed("secret-of-a-test", at) || m.Signed("other-secret-of-it", at) {
			t.Fatal("the signature does not depend on the secret alone")
		}
		if change(&m); m.Signed("secret-of-a-test", at) {
			t.Errorf("%s: still signed", name)
		}
	}
	m := message().Sign("secret-of-a-test", at)
	for after, want := range map[time.Duration]bool{
		5 * time.Minute: true, -5 * time.Minute: true, 5*time.Minute + time.Second: false, -5*time.Minute - time.Second: false,
	} {
		if m.Signed("secret-of-a-test", at.Add(after)) != want {
			t.Errorf("%v later: %v", after, !want)
		}
	}
}

func TestTextsAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"12345678": "12345678", " 1234 5678\n": "12345678", "１２３４５６７８": "12345678", "0000-0000": "00000000",
		"1234567": "", "123456789": "", "1234567a": "", "": "", "验证12345678": "",
	} {
		if got, ok := (uplink.Message{Text: text}).Canonical(); ok != (want != "") || ok && got != want {
			t.Errorf("%q is read as %q, %v", text, got, ok)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("12345678")
	f.Add("１２３４ 5678\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := (uplink.Message{Text: text}).Canonical()
		if ok && (len(got) != uplink.Digits || strings.Trim(got, "0123456789") != "") {
			t.Errorf("%q is read as %q", text, got)
		}
	})
}

func TestNumbersOfTheBank(t *testing.T) {
	t.Parallel()
	for number, good := range map[string]bool{
		"": true, "95599": true, "10690000012345678901": true, "9559": false, "106900000123456789012": false, "+8610690": false,
	} {
		if err := (uplink.Config{Number: number}).CheckNumber(); (err == nil) != good {
			t.Errorf("%q: %v", number, err)
		}
	}
}

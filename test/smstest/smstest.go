// Package smstest gives a test its own SMS gateway, and opens functions that send
// through it.
package smstest

import (
	"net/http/httptest"
	"testing"

	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/bank"
)

// Secret is the secret that the gateway of a test shares with the bank.
const Secret = "secret-of-a-test"

// Start runs a gateway for the test and opens the functions on the bank with it. No call reaches a
// voice gateway.
func Start(t testing.TB, b *bank.Bank, functions ...fn.Function) *smssim.Gateway {
	t.Helper()
	gateway, url := serve(t, &smssim.Gateway{Secret: Secret, Now: b.Clock.Now})
	OpenAt(t, b, url, functions...)
	return gateway
}

// OpenAt opens the functions on the bank with a gateway at an address.
func OpenAt(t testing.TB, b *bank.Bank, url string, functions ...fn.Function) {
	t.Helper()
	open(t, b, url, "http://127.0.0.1:1", functions)
}

// StartBoth is Start with a voice gateway too.
func StartBoth(t testing.TB, b *bank.Bank, functions ...fn.Function) (texts, calls *smssim.Gateway) {
	t.Helper()
	texts, url := serve(t, &smssim.Gateway{Secret: Secret, Now: b.Clock.Now})
	calls, voice := serve(t, smssim.NewVoice(Secret, b.Clock.Now))
	open(t, b, url, voice, functions)
	return texts, calls
}

func serve(t testing.TB, gateway *smssim.Gateway) (*smssim.Gateway, string) {
	t.Helper()
	server := httptest.NewServer(gateway)
	t.Cleanup(server.Close)
	return gateway, server.URL
}

func open(t testing.TB, b *bank.Bank, texts, calls string, functions []fn.Function) {
	t.Helper()
	for _, f := range functions {
		b.Open(t, f, sms.Config{URL: texts, Secret: Secret}, sms.VoiceConfig{URL: calls, Secret: Secret})
	}
}

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

const secret = "secret-of-a-test"

// Start runs a gateway for the test and opens the functions on the bank with it.
func Start(t testing.TB, b *bank.Bank, functions ...fn.Function) *smssim.Gateway {
	t.Helper()
	gateway := &smssim.Gateway{Secret: secret, Now: b.Clock.Now}
	server := httptest.NewServer(gateway)
	t.Cleanup(server.Close)
	OpenAt(t, b, server.URL, functions...)
	return gateway
}

// OpenAt opens the functions on the bank with a gateway at an address.
func OpenAt(t testing.TB, b *bank.Bank, url string, functions ...fn.Function) {
	t.Helper()
	for _, f := range functions {
		b.Open(t, f, sms.Config{URL: url, Secret: secret})
	}
}

package bank

import (
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// Authority is the bank's certificate authority. The first call starts it.
func (b *Bank) Authority(t testing.TB) *casim.CA {
	t.Helper()
	b.certs.Do(func() {
		made, err := casim.New(uuid.NewString(), b.Clock.Now)
		check.Must(t, err)
		server := httptest.NewServer(made)
		t.Cleanup(server.Close)
		b.authority, b.authorityConfig = made, made.Config(server.URL)
	})
	return b.authority
}

// withAuthority adds the authority to the configuration of a function that asks it.
func (b *Bank) withAuthority(t testing.TB, f fn.Function, configuration []any) []any {
	t.Helper()
	for i := range f.Config.NumField() {
		if f.Config.Field(i).Type == reflect.TypeFor[cert.Config]() {
			b.Authority(t)
			return append([]any{b.authorityConfig}, configuration...)
		}
	}
	return configuration
}

// CSR is a certificate signing request for a new key and a subject.
func CSR(t testing.TB, subject []byte) []byte {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	der, err := sm.NewRequest(key, subject)
	check.Must(t, err)
	return der
}

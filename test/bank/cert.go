package bank

import (
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
)

// Authority is the bank's certificate authority. The first call starts its interface.
func (b *Bank) Authority(t testing.TB) *casim.CA {
	t.Helper()
	b.certs.Do(func() {
		server := httptest.NewServer(b.authority)
		t.Cleanup(server.Close)
		b.authorityConfig = b.authority.Config(server.URL)
	})
	return b.authority
}

// AuthorityConfig is how the bank reaches its authority.
func (b *Bank) AuthorityConfig(t testing.TB) cert.Config {
	t.Helper()
	b.Authority(t)
	return b.authorityConfig
}

func (b *Bank) client(t testing.TB) *cert.Authority {
	t.Helper()
	made, err := cert.NewAuthority(b.AuthorityConfig(t), b.Clock, nil)
	check.Must(t, err)
	return made
}

// Relist fetches the authority's revocation lists, as bank-upkeep does each minute.
func (b *Bank) Relist(t testing.TB) {
	t.Helper()
	check.Must(t, b.TryRelist(t))
}

// TryRelist is Relist, which may fail.
func (b *Bank) TryRelist(t testing.TB) error {
	t.Helper()
	return b.client(t).Relist(t.Context(), b.Host.DB)
}

// UKey is a key in a customer's phone, and its certificate.
type UKey struct {
	Key         *sm.PrivateKey
	Certificate *sm.Certificate
}

// SoftUKey gives the customer a certificate, and the bank a current revocation list.
func (b *Bank) SoftUKey(t testing.TB, c seed.Customer, opened cert.Opening) UKey {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	id := uuid.New()
	subject, err := cert.Subject(c.ID, id)
	check.Must(t, err)
	der, err := sm.NewRequest(key, subject)
	check.Must(t, err)
	application, err := cert.Accept(c.ID, id, der)
	check.Must(t, err)
	issued, err := b.client(t).Issue(t.Context(), application)
	check.Must(t, err)
	var unit pg.Unit
	check.Must(t, issued.RegisterCertificate(&unit, b.Clock.Now()))
	check.Must(t, b.Host.DB.Commit(t.Context(), &unit))
	b.Exec(t, "UPDATE certificate SET opened = $1 WHERE id = $2", opened, id)
	b.Relist(t)
	return UKey{key, issued.Certificate}
}

// Shield is a phone shield of the customer on the device.
func (d *Device) Shield(t testing.TB, c seed.Customer) UKey {
	t.Helper()
	key := d.bank.SoftUKey(t, c, cert.InApp)
	d.bank.Exec(t, "UPDATE certificate SET opened = $1, device_id = $2, attestation = $3 WHERE serial = $4",
		cert.InShield, d.ID, []byte("of the test"), key.Certificate.Serial())
	return key
}

// Signed is the proof by the key's signature over the text.
func (k UKey) Signed(t testing.TB, as stepup.Factor, text string) stepup.Proof {
	t.Helper()
	der, err := sm.NewSignedData(k.Key, k.Certificate, []byte(text))
	check.Must(t, err)
	return stepup.Proof{Factor: as, SignedData: der}
}

// withAuthority adds the authority to the configuration of a function that asks it.
func (b *Bank) withAuthority(t testing.TB, f fn.Function, configuration []any) []any {
	t.Helper()
	for i := range f.Config.NumField() {
		if f.Config.Field(i).Type == reflect.TypeFor[cert.Config]() {
			return append([]any{b.AuthorityConfig(t)}, configuration...)
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

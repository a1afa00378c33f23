package bank

import (
	"fmt"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
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

// BluetoothKey is a Bluetooth Key that the bank has handed out to the customer, with its certificate.
func (b *Bank) BluetoothKey(t testing.TB, c seed.Customer) UKey {
	t.Helper()
	key, serial := b.SoftUKey(t, c, cert.InApp), fmt.Sprintf("BK%08d", b.people.Add(1))
	b.HandOutKey(t, c, serial)
	b.Exec(t, "UPDATE certificate SET opened = $1, key_serial = $2, attestation = $3 WHERE serial = $4",
		cert.InBluetooth, serial, []byte("of the test"), key.Certificate.Serial())
	return key
}

// HandOutKey hands the Bluetooth Key with the serial out to the customer.
func (b *Bank) HandOutKey(t testing.TB, c seed.Customer, serial string) {
	t.Helper()
	var unit pg.Unit
	check.Must(t, cert.HandOutKey(t.Context(), &unit, c.ID, serial, b.Clock.Now()))
	check.Must(t, b.Host.DB.Commit(t.Context(), &unit))
}

// LimitKey sets what a Bluetooth Key of the customer may pay in a transfer and in a day, and lets a second
// pass. account is nil for the customer's own limit.
func (b *Bank) LimitKey(t testing.TB, c seed.Customer, account *uuid.UUID, transfer, day money.Fen) {
	t.Helper()
	var unit pg.Unit
	check.Must(t, limit.SetBluetoothKeyLimit(t.Context(), &unit, limit.BluetoothKeyLimit{
		Customer: c.ID, Account: account, PerTransfer: transfer, PerDay: day, From: b.Clock.Now(), ProposedBy: "wang", ApprovedBy: "zhao",
	}))
	check.Must(t, b.Host.DB.Commit(t.Context(), &unit))
	b.Clock.Advance(time.Second)
}

// Corporate makes the customer a corporate one.
func (b *Bank) Corporate(t testing.TB, c seed.Customer) {
	t.Helper()
	b.Exec(t, "UPDATE customer SET kind = $1 WHERE id = $2", customer.Corporate, c.ID)
}

// GivePIN gives the customer a PIN code at the counter.
func (b *Bank) GivePIN(t testing.TB, c seed.Customer, clear string) {
	t.Helper()
	turn, err := b.Passwords().Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	var unit pg.Unit
	check.Must(t, password.GivePIN(t.Context(), &unit, turn, c.ID, clear))
	check.Must(t, b.Host.DB.Commit(t.Context(), &unit))
}

// OwnPIN gives the customer a PIN code as if the customer had chosen it.
func (b *Bank) OwnPIN(t testing.TB, c seed.Customer, clear string) {
	t.Helper()
	b.GivePIN(t, c, clear)
	b.Exec(t, "UPDATE pin_code SET given = false WHERE customer_id = $1", c.ID)
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
		switch f.Config.Field(i).Type {
		case reflect.TypeFor[cert.Config]():
			return append([]any{b.AuthorityConfig(t)}, configuration...)
		case reflect.TypeFor[cert.Trust]():
			return append([]any{b.authority.Config("").Trust}, configuration...)
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

package stepup_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

const (
	operation     = "transfer-confirm"
	text          = "向 李四（尾号0001）转账 100.00元"
	life          = 10 * time.Minute
	tradePassword = "739164"
	tries         = 5 // of a code, as the policy says
	rounds        = 10
)

// fixture is a bank's step-up, and phone a customer's app on a bound device.
type fixture struct {
	db        *pg.DB
	ring      *keys.Ring
	passwords *password.Store
	clock     *clock.Manual
	people    *atomic.Int64
}

type phone struct {
	fixture
	customer uuid.UUID
	device   string
	key      *sm.PrivateKey
	channel  channel.ID
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	ring := keytest.New(t)
	passwords := password.NewStore(ring, password.NewHashing(password.Config{Rounds: rounds}))
	return fixture{pgtest.New(t), ring, passwords, newClock(), new(atomic.Int64)}
}

func newClock() *clock.Manual {
	return clock.NewManual(time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai))
}

// phone signs a new customer up.
func (d fixture) phone(t *testing.T) phone {
	t.Helper()
	n := d.people.Add(1)
	c, err := d.seeder().Add(t.Context(), seed.Made("王小明", n))
	check.Must(t, err)
	return d.bind(t, c, "phone")
}

// bind gives the customer a device, and the trade password.
func (d fixture) bind(t *testing.T, c seed.Customer, device string) phone {
	t.Helper()
	key, err := sm.GenerateKey()
	check.Must(t, err)
	public, err := key.Public().Marshal()
	check.Must(t, err)
	check.Must(t, d.seeder().SignUp(t.Context(), c, "tide-2026x", tradePassword, device, public))
	return phone{d, c.ID, device, key, channel.ID(randomBytes(16))}
}

func (d fixture) seeder() seed.Seeder {
	return seed.Seeder{DB: d.db, Ring: d.ring, Passwords: d.passwords, Clock: d.clock}
}

// intent stores an intent that any two factors confirm, unless it is changed.
func (p phone) intent(t *testing.T, change ...func(*stepup.Intent)) stepup.Intent {
	t.Helper()
	id, err := uuid.NewV7()
	check.Must(t, err)
	now := p.clock.Now()
	in := stepup.Intent{
		ID: id, CustomerID: p.customer, DeviceID: p.device, Operation: operation,
		Payload: []byte(`{"payee":"李四","amount_fen":10000}`), Text: text, CreatedAt: now, ExpiresAt: now.Add(life),
		Combinations: []stepup.Combination{
			{stepup.SMSOTP, stepup.DeviceKey}, {stepup.SMSOTP, stepup.TradePassword}, {stepup.DeviceKey, stepup.TradePassword},
		},
	}
	for _, c := range change {
		c(&in)
	}
	pgtest.Commit(t, p.db, func(u *pg.Unit) error { return stepup.Save(u, p.ring, in) })
	in.Digest = sm.Digest([]byte(in.Text))
	return in
}

// only gives an intent these factors as its one combination.
func only(factors ...stepup.Factor) func(*stepup.Intent) {
	return func(in *stepup.Intent) { in.Combinations = []stepup.Combination{factors} }
}

// code issues a code for the intent as otp-send does, and returns it. It counts in no quota,
// so that no test waits between two codes.
func (p phone) code(t *testing.T, in stepup.Intent) stepup.Proof {
	t.Helper()
	index, err := customer.PhoneIndexOf(t.Context(), p.db.Reader(), p.customer)
	check.Must(t, err)
	var unit pg.Unit
	otp.Issue(&unit, otp.Challenge{
		Subject: stepup.Subject(in.ID), Purpose: otp.Intent, Phone: index, CustomerID: &p.customer,
		DeviceID: in.DeviceID, Binding: in.Digest,
	}, p.clock.Now())
	check.Must(t, p.db.Commit(t.Context(), &unit))
	var issued otp.Issued
	check.Must(t, issued.Scan(p.db.Pool().QueryRow(t.Context(), otp.LoadSQL, stepup.Subject(in.ID))))
	return stepup.Proof{Factor: stepup.SMSOTP, Code: issued.Code(p.ring)}
}

// off is a wrong code.
func off(right stepup.Proof) stepup.Proof {
	code := []byte(right.Code)
	code[5] = '0' + (code[5]-'0'+1)%10
	right.Code = string(code)
	return right
}

func (p phone) sign(t *testing.T, text string) stepup.Proof {
	t.Helper()
	signature, err := sm.Sign(p.key, []byte(text))
	check.Must(t, err)
	return stepup.Proof{Factor: stepup.DeviceKey, Signature: signature}
}

func (p phone) password(t *testing.T, password string) stepup.Proof {
	t.Helper()
	sealed, err := sm.Encrypt(p.ring.Public(keys.Password), append(p.channel[:], password...))
	check.Must(t, err)
	return stepup.Proof{Factor: stepup.TradePassword, Password: sealed}
}

// right is a proof of the factor that holds.
func (p phone) right(t *testing.T, in stepup.Intent, f stepup.Factor) stepup.Proof {
	t.Helper()
	switch f {
	case stepup.SMSOTP:
		return p.code(t, in)
	case stepup.DeviceKey:
		return p.sign(t, in.Text)
	case stepup.TradePassword:
		return p.password(t, tradePassword)
	case stepup.Face:
		return p.faced(t, in)
	case stepup.UnlockKey:
		return p.unlocked(t, in.Text)
	case stepup.LoginPassword, stepup.Token, stepup.SoftUKey, stepup.SoftUKeyCounter, stepup.PhoneShield: // each test of it makes its own
	}
	return stepup.Proof{Factor: f}
}

func (p phone) check(in stepup.Intent, proofs ...stepup.Proof) *stepup.Verification {
	return &stepup.Verification{
		Operation: operation, CustomerID: p.customer, DeviceID: p.device, Channel: p.channel,
		Confirmation: stepup.Confirmation{IntentID: in.ID, Proofs: proofs}, Now: p.clock.Now(), Passwords: p.passwords,
	}
}

// count sends the verification's statements, as the runtime does.
func (d fixture) count(ctx context.Context, c *stepup.Verification) error {
	var batch pgx.Batch
	c.QueueProofs(&batch, d.ring)
	return d.db.QueryBatch(ctx, &batch)
}

// verify verifies the proofs. It settles the attempts of a refused call, as the runtime
// does.
func (d fixture) verify(ctx context.Context, c *stepup.Verification) (*stepup.Verified, error) {
	if err := d.count(ctx, c); err != nil {
		return nil, err
	}
	evidence, err := c.Verify(ctx, d.ring)
	if err == nil {
		return evidence, nil
	}
	var unit pg.Unit
	if c.Settle(&unit); !unit.Empty() {
		if err := d.db.Commit(context.WithoutCancel(ctx), &unit); err != nil {
			return nil, err
		}
	}
	return nil, c.Explain(err)
}

// confirm verifies the proofs. A refusal comes without evidence.
func (p phone) confirm(t *testing.T, in stepup.Intent, proofs ...stepup.Proof) (*stepup.Verified, error) {
	t.Helper()
	evidence, err := p.verify(t.Context(), p.check(in, proofs...))
	if (evidence == nil) != (err != nil) {
		t.Errorf("evidence %v with error %v", evidence, err)
	}
	return evidence, err
}

// consume commits the evidence's use.
func (d fixture) consume(t *testing.T, evidence *stepup.Verified) error {
	t.Helper()
	var unit pg.Unit
	evidence.Consume(&unit)
	return d.db.Commit(t.Context(), &unit)
}

// want fails the test unless the error is that refusal, or nil.
func want(t *testing.T, what string, got, wanted error) {
	t.Helper()
	if !errors.Is(got, wanted) {
		t.Errorf("%s: %v, want %v", what, got, wanted)
	}
}

// tries is how many guesses at the intent's code were counted.
func (d fixture) tries(t *testing.T, in stepup.Intent) int {
	t.Helper()
	return check.Count(t, d.db.Pool(), "SELECT tries + in_flight FROM otp_challenge WHERE subject = $1", stepup.Subject(in.ID))
}

// failures is how many guesses at the customer's trade password are counted, wrong or in
// flight.
func (p phone) failures(t *testing.T) int {
	t.Helper()
	return check.Count(t, p.db.Pool(), "SELECT trade_failures + trade_in_flight FROM credential WHERE customer_id = $1", p.customer)
}

// resetAttempts sets the counted failures to 0.
func (p phone) resetAttempts(t *testing.T) {
	t.Helper()
	p.change(t, `
UPDATE credential SET trade_failures = 0, trade_in_flight = 0, trade_day_failures = 0, trade_locked_until = NULL
 WHERE customer_id = $1`, p.customer)
}

func (d fixture) state(t *testing.T, in stepup.Intent) string {
	t.Helper()
	return check.Value[string](t, d.db.Pool(), "SELECT state FROM intent WHERE id = $1", in.ID)
}

// change runs a statement, which must change a row.
func (d fixture) change(t *testing.T, sql string, args ...any) {
	t.Helper()
	tag, err := d.db.Pool().Exec(t.Context(), sql, args...)
	check.Must(t, err)
	if tag.RowsAffected() == 0 {
		t.Fatalf("%s changed nothing", sql)
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// cancelAll ends a customer's open intents.
func (p phone) cancelAll(t *testing.T, customer uuid.UUID) {
	t.Helper()
	var unit pg.Unit
	stepup.CancelAll(&unit, customer)
	check.Must(t, p.db.Commit(t.Context(), &unit))
}

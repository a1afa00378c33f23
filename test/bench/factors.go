package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/shared/token"
)

const tradePassword = "480615"

// prover is a customer who has all that the factors need.
type prover struct {
	*caller
	in        stepup.Intent
	passwords *password.Store
	roots     sm.Roots
	finger    *sm.PrivateKey
	held      client.Token
	ukey      *sm.PrivateKey
	certified *sm.Certificate
}

// measured is a factor: the proof of it, and its bare primitive.
type measured struct {
	name   string // of the ratio
	factor stepup.Factor
	proof  func(context.Context) (stepup.Proof, error)
	bare   func() error
	target float64
}

// factorRatios measures the verification of one proof of each factor as the runtime does it, with its
// round trip to PostgreSQL, against the bare primitive: how many of the latter cost as much time.
func factorRatios(ctx context.Context, m *machine, o options) error {
	fmt.Println("\nVerifications of one proof, one at a time")
	p, err := newProver(ctx, m)
	if err != nil {
		return err
	}
	count := 300
	if o.quick {
		count = 20
	}
	for _, f := range p.factors() {
		var took, bare []float64
		for range max(o.rounds, 1) {
			for range count / max(o.rounds, 1) {
				start := time.Now()
				if err := f.bare(); err != nil {
					return fmt.Errorf("%s: %w", f.factor, err)
				}
				bare = append(bare, time.Since(start).Seconds())
				one, err := p.verify(ctx, f)
				if err != nil {
					return fmt.Errorf("%s: %w", f.factor, err)
				}
				took = append(took, one.Seconds())
			}
		}
		say("%-28s %8.1f µs, the primitive %.1f µs", f.factor, median(took)*1e6, median(bare)*1e6)
		ratio(f.name, median(took)/median(bare), f.target)
	}
	return nil
}

// verify verifies a fresh proof, and gives the count of the attempt back, which is not timed.
func (p *prover) verify(ctx context.Context, f measured) (time.Duration, error) {
	proof, err := f.proof(ctx)
	if err != nil {
		return 0, err
	}
	v := &stepup.Verification{
		Operation: transfer.ConfirmFunction, CustomerID: p.customer.ID, DeviceID: p.deviceID, Channel: p.channel,
		Confirmation: stepup.Confirmation{IntentID: p.in.ID, Proofs: []stepup.Proof{proof}},
		Passwords:    p.passwords, Roots: p.roots, Now: time.Now(),
	}
	start := time.Now()
	var batch pgx.Batch
	v.QueueProofs(&batch, p.m.ring)
	if err := p.m.db.QueryBatch(ctx, &batch); err != nil {
		return 0, fmt.Errorf("preflight: %w", err)
	}
	_, err = v.Verify(ctx, p.m.ring)
	took := time.Since(start)
	if err != nil && !errors.Is(err, stepup.ErrStronger) { // the proof holds, and alone it is not enough
		return 0, err
	}
	var unit pg.Unit
	v.Settle(&unit)
	if unit.Empty() {
		return took, nil
	}
	return took, p.fast.Commit(ctx, &unit)
}

func (p *prover) factors() []measured {
	text := []byte(p.in.Text)
	signed := func(name string, f stepup.Factor, key *sm.PrivateKey) measured {
		signature, failed := sm.Sign(key, text)
		return measured{name: name, factor: f, target: 6, proof: func(context.Context) (stepup.Proof, error) {
			return stepup.Proof{Factor: f, Signature: signature}, failed
		}, bare: func() error { return sm.Verify(key.Public(), text, signature) }}
	}
	signature, failed := sm.Sign(p.ukey, text)
	return []measured{
		signed("factor_device_key_vs_bare", stepup.DeviceKey, p.device), signed("factor_unlock_key_vs_bare", stepup.UnlockKey, p.finger),
		{
			name: "factor_soft_ukey_counter_vs_bare", factor: stepup.SoftUKeyCounter, target: 15,
			proof: func(context.Context) (stepup.Proof, error) {
				der, err := sm.NewSignedData(p.ukey, p.certified, text)
				return stepup.Proof{Factor: stepup.SoftUKeyCounter, SignedData: der}, err
			},
			bare: func() error { return errors.Join(failed, sm.Verify(p.ukey.Public(), text, signature)) },
		},
		{
			name: "factor_sms_otp_vs_bare", factor: stepup.SMSOTP, target: 150,
			proof: func(ctx context.Context) (stepup.Proof, error) {
				code, err := p.code(ctx, p.in)
				return stepup.Proof{Factor: stepup.SMSOTP, Code: code}, err
			},
			bare: func() error {
				otp.Compute(p.m.ring, []byte(p.in.ID[:]), text, p.in.CreatedAt)
				return nil
			},
		},
		{
			name: "factor_token_vs_bare", factor: stepup.Token, target: 150,
			proof: func(context.Context) (stepup.Proof, error) {
				return stepup.Proof{Factor: stepup.Token, Code: p.held.Response(p.in.Text)}, nil
			},
			bare: func() error {
				p.held.Response(p.in.Text)
				return nil
			},
		},
		{
			name: "factor_trade_password_vs_bare", factor: stepup.TradePassword, target: 1.2,
			proof: func(context.Context) (stepup.Proof, error) {
				sealed, err := sm.Encrypt(p.m.ring.Public(keys.Password), append(p.channel[:], tradePassword...))
				return stepup.Proof{Factor: stepup.TradePassword, Password: sealed}, err
			},
			bare: func() error {
				_, err := sm.HashPassword([]byte(tradePassword), password.Rounds)
				return err
			},
		},
	}
}

func newProver(ctx context.Context, m *machine) (*prover, error) {
	callers, err := newCallers(ctx, m, 1)
	if err != nil {
		return nil, err
	}
	payees, err := openAccounts(ctx, m, 1)
	if err != nil {
		return nil, err
	}
	p := &prover{caller: callers[0], passwords: password.NewStore(m.ring, password.NewHashing(password.Config{}))}
	seeder := seed.Seeder{DB: p.fast, Ring: m.ring, Clock: clock.System{}, Passwords: p.passwords}
	public, err := p.device.Public().Marshal()
	if err != nil {
		return nil, err
	}
	if err := seeder.SignUp(ctx, p.customer, "bench-only", tradePassword, p.deviceID, public); err != nil {
		return nil, err
	}
	if p.finger, err = sm.GenerateKey(); err != nil {
		return nil, err
	}
	finger, err := p.finger.Public().Marshal()
	if err != nil {
		return nil, err
	}
	p.held = client.Token{Token: token.Token{Serial: "TB00000001", Algorithm: token.SM3}, Now: time.Now}
	if err := seeder.HandOut(ctx, p.customer, p.held.Token); err != nil {
		return nil, err
	}
	if err := p.certify(ctx); err != nil {
		return nil, err
	}
	for sql, args := range map[string][]any{
		"UPDATE token SET state = 'active' WHERE customer_id = $1":         {p.customer.ID},
		"UPDATE device SET fingerprint_key = $2 WHERE customer_id = $1":    {p.customer.ID, finger},
		"UPDATE certificate SET opened = 'counter' WHERE customer_id = $1": {p.customer.ID},
	} {
		if _, err := m.db.Pool().Exec(ctx, sql, args...); err != nil {
			return nil, fmt.Errorf("means of the customer: %w", err)
		}
	}
	if p.in, err = p.intent(payees[0]); err != nil {
		return nil, err
	}
	p.in.ExpiresAt = p.in.CreatedAt.Add(time.Hour)
	var unit pg.Unit
	if err := stepup.Save(&unit, m.ring, p.in); err != nil {
		return nil, err
	}
	return p, p.fast.Commit(ctx, &unit)
}

// certify gets a certificate from a simulated authority, and its revocation list.
func (p *prover) certify(ctx context.Context) error {
	ca, err := casim.New(uuid.NewString(), time.Now)
	if err != nil {
		return err
	}
	server := httptest.NewServer(ca)
	defer server.Close()
	config := ca.Config(server.URL)
	authority, err := cert.NewAuthority(config, clock.System{}, nil)
	if err != nil {
		return err
	}
	if p.roots, err = config.Trust.Parse(); err != nil {
		return err
	}
	if p.ukey, err = sm.GenerateKey(); err != nil {
		return err
	}
	id := uuid.New()
	subject, err := cert.Subject(p.customer.ID, id)
	if err != nil {
		return err
	}
	request, err := sm.NewRequest(p.ukey, subject)
	if err != nil {
		return err
	}
	application, err := cert.Accept(p.customer.ID, id, request)
	if err != nil {
		return err
	}
	issued, err := authority.Issue(ctx, application)
	if err != nil {
		return err
	}
	p.certified = issued.Certificate
	var unit pg.Unit
	if err := issued.RegisterCertificate(&unit, time.Now()); err != nil {
		return err
	}
	if err := p.fast.Commit(ctx, &unit); err != nil {
		return err
	}
	return authority.Relist(ctx, p.fast)
}

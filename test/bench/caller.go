package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/functions/transfer"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
)

// caller is a customer with an app: logged in, with a device key.
type caller struct {
	m        *machine
	fast     *pg.DB // for preparations: commits without waiting for the disk
	index    int
	customer seed.Customer
	device   *sm.PrivateKey
	deviceID string
	channel  channel.ID
	keys     channel.Keys
	sequence uint64
}

func newCallers(ctx context.Context, m *machine, count int) ([]*caller, error) {
	say("%d customers …", count)
	fast, err := pg.Open(ctx, pg.Config{URL: m.postgres.URL("bank") + "&options=-csynchronous_commit%3Doff", MaxConns: 8})
	if err != nil {
		return nil, err
	}
	m.closers = append(m.closers, func() error { fast.Close(); return nil })
	options, err := redis.ParseURL(m.redisURL)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	client := redis.NewClient(options)
	m.closers = append(m.closers, client.Close)
	sessions, err := session.New(client, m.ring, clock.System{}, session.Config{ChannelLife: time.Hour, Idle: 10 * time.Minute})
	if err != nil {
		return nil, err
	}
	all := make([]*caller, count)
	group, openCtx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range all {
		all[i] = &caller{m: m, fast: fast, index: i, deviceID: fmt.Sprintf("bench-device-%04d", i)}
		group.Go(func() error { return all[i].open(openCtx, sessions) })
	}
	return all, group.Wait()
}

// open seeds the customer, binds the device and logs in, as earlier calls would have
// done.
func (c *caller) open(ctx context.Context, sessions *session.Store) (err error) {
	seeder := seed.Seeder{
		DB: c.fast, Ring: c.m.ring, Clock: clock.System{},
		Passwords: password.NewStore(c.m.ring, password.NewHashing(password.Config{Rounds: 1})), // no call of the bench uses a password
	}
	c.customer, err = seeder.Add(ctx, seed.Caller(c.index, 1_000_000_000_00))
	if err != nil {
		return err
	}
	if c.device, err = sm.GenerateKey(); err != nil {
		return err
	}
	public, err := c.device.Public().Marshal()
	if err != nil {
		return err
	}
	if err := seeder.SignUp(ctx, c.customer, "bench-only", "000000", c.deviceID, public); err != nil {
		return err
	}
	handshake, err := channel.NewClient(c.deviceID)
	if err != nil {
		return err
	}
	sign := func(message []byte) ([]byte, error) { return c.m.ring.Sign(keys.Channel, message) }
	welcome, id, opened, err := channel.Server{Sign: sign, Life: time.Hour}.Respond(handshake.Hello())
	if err != nil {
		return err
	}
	if c.channel, c.keys, err = handshake.Finish(welcome, c.m.ring.Public(keys.Channel)); err != nil {
		return err
	}
	if err := sessions.OpenChannel(ctx, id, session.Channel{DeviceID: c.deviceID, Keys: opened}); err != nil {
		return err
	}
	return sessions.Start(ctx, c.channel, c.customer.ID)
}

// prepare returns sealed confirms of fresh intents, each with its code and
// signature.
func (c *caller) prepare(ctx context.Context, payees []uuid.UUID, count int) ([][]byte, error) {
	frames := make([][]byte, 0, count)
	for range count {
		frame, err := c.prepareOne(ctx, payees[rand.IntN(len(payees))])
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

func (c *caller) prepareOne(ctx context.Context, payee uuid.UUID) ([]byte, error) {
	intent, err := c.intent(payee)
	if err != nil {
		return nil, err
	}
	var unit pg.Unit
	if err := stepup.Save(&unit, c.m.ring, intent); err != nil {
		return nil, err
	}
	if err := c.fast.Commit(ctx, &unit); err != nil {
		return nil, err
	}
	code, err := c.code(ctx, intent)
	if err != nil {
		return nil, err
	}
	signature, err := sm.Sign(c.device, []byte(intent.Text))
	if err != nil {
		return nil, err
	}
	clear, err := envelope(intent.ID, []stepup.Proof{
		{Factor: stepup.SMSOTP, Code: code}, {Factor: stepup.DeviceKey, Signature: signature},
	})
	if err != nil {
		return nil, err
	}
	c.sequence++
	h := channel.Header{ID: c.channel, Sequence: c.sequence, Time: time.Now()}
	return channel.SealRequest(c.keys, h, http.MethodPost, transfer.ConfirmFunction, clear)
}

func (c *caller) intent(payee uuid.UUID) (stepup.Intent, error) {
	from := transfer.Party{
		AccountID: c.customer.AccountIDs[0], CustomerID: c.customer.ID, State: ledger.StateOpen, Name: c.customer.Name,
		NumberMasked: "6228 **** 0001", Available: 1_000_000_000_00,
	}
	to := transfer.Party{AccountID: payee, State: ledger.StateOpen, Name: "王小明", NumberMasked: "6228 **** 0002"}
	plan, err := transfer.NewPlan(from, to, 1, "房租")
	if err != nil {
		return stepup.Intent{}, err
	}
	plan.CheckLimit(limit.TransferSMS, stepup.CapSMS, limit.Usage{Cap: stepup.CapSMS})
	payload, err := json.Marshal(plan)
	if err != nil {
		return stepup.Intent{}, fmt.Errorf("plan: %w", err)
	}
	id, now := uuid.Must(uuid.NewV7()), time.Now()
	return stepup.Intent{
		ID: id, CustomerID: c.customer.ID, DeviceID: c.deviceID, Operation: transfer.ConfirmFunction,
		Payload: payload, Text: plan.Text(id, now), Combinations: []stepup.Combination{{stepup.SMSOTP, stepup.DeviceKey}},
		CreatedAt: now, ExpiresAt: now.Add(transfer.IntentLife),
	}, nil
}

// code issues an intent's code and computes it as notify-on-otp does. It counts in no
// quota, so that no quota stops the benchmark.
func (c *caller) code(ctx context.Context, in stepup.Intent) (string, error) {
	var unit pg.Unit
	subject := stepup.Subject(in.ID)
	otp.Issue(&unit, otp.Challenge{
		Subject: subject, Purpose: otp.Intent, Phone: customer.PhoneIndex(c.m.ring, c.customer.Phone),
		CustomerID: &c.customer.ID, DeviceID: c.deviceID, Binding: sm.Digest([]byte(in.Text)),
	}, time.Now())
	var issued otp.Issued
	unit.Add(pg.Statement{SQL: otp.LoadSQL, Args: []any{subject}, Scan: issued.Scan})
	if err := c.fast.Commit(ctx, &unit); err != nil {
		return "", err
	}
	return issued.Code(c.m.ring), nil
}

func percentile(took []time.Duration, p int) (ms float64) {
	sorted := slices.Sorted(slices.Values(took))
	return float64(sorted[min(len(sorted)-1, len(sorted)*p/100)].Microseconds()) / 1000
}

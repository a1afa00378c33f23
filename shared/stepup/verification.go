package stepup

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// errNoIntent tells nobody whether the intent exists for someone else.
var errNoIntent = bankerr.ErrNotFound

// Subject names the OTP challenge of an intent.
func Subject(intent uuid.UUID) string { return "intent:" + intent.String() }

// Verification is one request's step-up: it queues its reads and charges on the
// runtime's batch, and after that round trip verifies the proofs.
type Verification struct {
	Operation    string // the confirming function
	CustomerID   uuid.UUID
	DeviceID     string
	Channel      channel.ID
	Confirmation Confirmation
	Now          time.Time

	Failed Factor // the proof that did not hold, after Verify; for audit's eyes only

	found    record
	loadErr  error
	otp      *charge
	password *string
	locked   bool
	right    bool // the trade password was
}

// charge is an OTP challenge after a try was counted on it.
type charge struct {
	nonce, binding []byte
	issuedAt       time.Time
}

// Queue adds the check's statements to the batch. A try at a code or password
// is charged here, before anything looks at the guess. A batch that was rolled
// back may be sent again: what counts is what the last one read.
func (c *Verification) Queue(batch *pgx.Batch) {
	id := c.Confirmation.IntentID
	c.loadErr = errNoIntent
	batch.Queue(sqlIntentLoad, id, c.CustomerID).QueryRow(func(row pgx.Row) error {
		if c.loadErr = c.found.scan(row); errors.Is(c.loadErr, errNoIntent) {
			return nil
		}
		return c.loadErr
	})
	if c.brings(SMSOTP) {
		batch.Queue(sqlOTPCharge, Subject(id), c.Now, id, c.CustomerID, c.DeviceID, c.Operation).QueryRow(c.scanOTP)
	}
	if c.brings(TradePassword) {
		batch.Queue(sqlPasswordCharge, c.CustomerID, c.Now, id, c.DeviceID, c.Operation).QueryRow(c.scanPassword)
	}
}

func (c *Verification) brings(f Factor) bool {
	for _, p := range c.Confirmation.Proofs {
		if p.Factor == f {
			return true
		}
	}
	return false
}

func (c *Verification) scanOTP(row pgx.Row) error {
	c.otp = nil
	var found charge
	err := row.Scan(&found.nonce, &found.binding, &found.issuedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // void, used up or expired: the proof fails
	}
	if err != nil {
		return pg.Classify(fmt.Errorf("charge otp: %w", err))
	}
	c.otp = &found
	return nil
}

func (c *Verification) scanPassword(row pgx.Row) error {
	c.password, c.locked = nil, false
	var stored string
	err := row.Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
		c.locked = true
		return nil
	}
	if err != nil {
		return pg.Classify(fmt.Errorf("charge trade password: %w", err))
	}
	c.password = &stored
	return nil
}

// Verify decides after the round trip. Every proof brought must hold, and
// together they must make one of the intent's combinations.
func (c *Verification) Verify(ring *keys.Ring) (*Verified, error) {
	if c.loadErr != nil {
		return nil, c.loadErr
	}
	in := &c.found
	if in.Operation != c.Operation || in.DeviceID != c.DeviceID {
		return nil, errNoIntent
	}
	if in.state != stateOpen || !c.Now.Before(in.ExpiresAt) {
		return nil, ErrExpired
	}
	if err := in.unseal(ring); err != nil {
		return nil, err
	}
	// All are looked at, so that a right password is known as such beside a wrong code.
	proven := make([]Factor, 0, len(c.Confirmation.Proofs))
	var failed error
	for _, p := range c.Confirmation.Proofs {
		if err := c.prove(ring, p); err != nil && failed == nil {
			failed, c.Failed = err, p.Factor
		}
		proven = append(proven, p.Factor)
	}
	if failed != nil {
		return nil, failed
	}
	for _, combination := range in.Combinations {
		if combination.satisfiedBy(proven) {
			return &Verified{Intent: in.Intent, Factors: proven, now: c.Now}, nil
		}
	}
	return nil, ErrStronger
}

func (c *Verification) prove(ring *keys.Ring, p Proof) error {
	switch p.Factor {
	case SMSOTP:
		return c.proveOTP(ring, p.Code)
	case TradePassword:
		return c.provePassword(ring, p.Password)
	case DeviceKey:
		return c.proveDeviceKey(p.Signature)
	}
	return ErrProofRejected
}

func (c *Verification) proveOTP(ring *keys.Ring, code string) error {
	if c.otp == nil || !hmac.Equal(c.otp.binding, c.found.Digest) {
		return ErrProofRejected
	}
	want := otp.Compute(ring, c.otp.nonce, c.otp.binding, c.otp.issuedAt)
	if !hmac.Equal([]byte(want), []byte(code)) {
		return ErrProofRejected
	}
	return nil
}

func (c *Verification) provePassword(ring *keys.Ring, sealed []byte) error {
	if c.locked || c.password == nil {
		return ErrPasswordLocked
	}
	password, err := OpenPassword(ring, c.Channel, sealed)
	if err != nil {
		return err
	}
	if err := sm.CheckPassword(*c.password, password); err != nil {
		return rejected(err)
	}
	c.right = true
	return nil
}

// UndoAttempt adds to the unit, for a call that was refused, what takes back the
// charge of a trade password that was right; false if there is none. A customer
// short of funds has not guessed wrong.
func (c *Verification) UndoAttempt(unit *pg.Unit) bool {
	if c.right {
		unit.Add(pg.Statement{SQL: sqlPasswordForgive, Args: []any{c.CustomerID}})
	}
	return c.right
}

// rejected is the answer to a proof that does not hold, unless the crypto module
// has shut and nothing can hold.
func rejected(err error) error {
	if errors.Is(err, sm.ErrModule) {
		return bankerr.ErrInternal.Because(err)
	}
	return ErrProofRejected.Because(err)
}

func (c *Verification) proveDeviceKey(signature []byte) error {
	key, err := sm.ParsePublicKey(c.found.deviceKey)
	if err != nil {
		return ErrProofRejected.Because(err)
	}
	if err := sm.Verify(key, []byte(c.found.Text), signature); err != nil {
		return rejected(err)
	}
	return nil
}

// OpenPassword opens a password that the app sealed to the bank's password key
// for this channel. It refuses any other with ErrProofRejected. A key that can't be
// used now is an internal error: the customer has not guessed wrong.
func OpenPassword(ring *keys.Ring, id channel.ID, sealed []byte) ([]byte, error) {
	clear, err := ring.Decrypt(keys.Password, sealed)
	if err != nil && !errors.Is(err, keys.ErrOpen) {
		return nil, bankerr.ErrInternal.Because(err)
	}
	if err != nil || len(clear) < len(id) || !hmac.Equal(clear[:len(id)], id[:]) {
		return nil, ErrProofRejected.Because(err)
	}
	return clear[len(id):], nil
}

// Verified is an intent whose proofs hold.
type Verified struct {
	Intent  Intent
	Factors []Factor

	now time.Time
}

// Consume adds to the unit what makes the intent and its proofs single-use.
func (e *Verified) Consume(unit *pg.Unit) {
	unit.Add(pg.Statement{
		Call:   "intent_consume",
		Rows:   sqlIntentConsumeRows,
		Args:   []any{e.Intent.ID, e.Intent.CustomerID, e.now},
		Refuse: map[string]error{ErrExpired.Code(): ErrExpired},
	})
	for _, f := range e.Factors {
		if f == TradePassword {
			unit.Add(pg.Statement{SQL: sqlPasswordForgive, Args: []any{e.Intent.CustomerID}})
		}
	}
}

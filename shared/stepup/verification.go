package stepup

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/sm"
)

// errNoIntent does not reveal whether the intent belongs to another customer.
var errNoIntent = bankerr.ErrNotFound

// Subject names the OTP challenge of an intent.
func Subject(intent uuid.UUID) string { return "intent:" + intent.String() }

// Verification verifies one request's proofs. QueueProofs adds its statements to the
// runtime's batch; after that round trip, Verify decides.
type Verification struct {
	Operation    string // the confirming function
	CustomerID   uuid.UUID
	DeviceID     string
	Channel      channel.ID
	Confirmation Confirmation
	Passwords    *password.Store
	Roots        sm.Roots // that the bank trusts for certificates
	Now          time.Time
	// Grade returns the customer's grade now; nil means that it has not changed.
	Grade func(context.Context) (risk.Grade, error)

	Failed Factor // set by Verify: the factor of a wrong proof, for audit only

	lockEnded bool // this attempt is the first after a lock of a password or token

	found     record
	loadErr   error
	passwords map[Factor][]byte // the passwords among the proofs, opened
	openErr   error             // why one does not open
	attempts  []attempt         // one for each proof
}

// QueueProofs adds the verification's statements to the batch. These statements count
// attempts at a code or password, before Verify compares the guess. They count none
// beside a password that does not open. A batch that was rolled back may be sent
// again: the last answers decide.
func (v *Verification) QueueProofs(batch *pgx.Batch, ring *keys.Ring) {
	v.loadErr = errNoIntent
	batch.Queue(sqlIntentLoad, v.Confirmation.IntentID, v.CustomerID).QueryRow(func(row pgx.Row) error {
		if v.loadErr = v.found.scan(row); errors.Is(v.loadErr, errNoIntent) {
			return nil
		}
		return v.loadErr
	})
	v.attempts = nil
	if _, more := v.surplus(); more {
		return // Verify refuses the proofs, and no attempt is counted
	}
	if v.openErr = v.openPasswords(ring); v.openErr != nil {
		return // likewise
	}
	for _, p := range v.Confirmation.Proofs {
		var a attempt = unknown{}
		if f, ok := factors[p.Factor]; ok {
			a = f.begin(p)
		}
		a.load(v, batch)
		v.attempts = append(v.attempts, a)
	}
}

// surplus finds a second proof of the same factor, or a proof beyond the number of
// factors.
func (v *Verification) surplus() (Factor, bool) {
	proofs := v.Confirmation.Proofs
	for i, p := range proofs {
		same := func(other Proof) bool { return other.Factor == p.Factor }
		if i >= len(factors) || slices.ContainsFunc(proofs[:i], same) {
			return p.Factor, true
		}
	}
	return "", false
}

// Verify decides after the round trip. Every proof must hold, and the proven factors
// must include one of the combinations that are enough now. Biometrics alone are never enough,
// whatever the intent holds (BIO-002).
func (v *Verification) Verify(ctx context.Context, ring *keys.Ring) (*Verified, error) {
	if v.loadErr != nil {
		return nil, v.loadErr
	}
	in := &v.found
	if in.Operation != v.Operation || in.DeviceID != v.DeviceID {
		return nil, errNoIntent
	}
	if err := in.open(v.Now); err != nil {
		return nil, err
	}
	if v.openErr != nil {
		return nil, v.openErr
	}
	if err := in.unseal(ring); err != nil {
		return nil, err
	}
	if v.Waits() {
		return nil, pg.ErrBusy
	}
	proven, err := v.prove(ctx, ring)
	if err != nil {
		return nil, err
	}
	combinations, err := v.enough(ctx)
	if err != nil {
		return nil, err
	}
	for _, combination := range combinations {
		if combination.independent() && combination.satisfiedBy(proven) {
			verified := &Verified{Intent: in.Intent, Factors: proven, attempts: v.attempts, now: v.Now}
			if err := v.rehash(ctx, &verified.rehashed); err != nil {
				return nil, err
			}
			return verified, nil
		}
	}
	return nil, ErrStronger.Because(missing(combinations, proven))
}

// enough returns the intent's combinations for the customer's grade now, and for the
// device: without a bound key it offers none with the key. A grade that has fallen since
// the preparation changes nothing. It returns ErrExpired if the customer must prepare
// again, and the error of Grade.
func (v *Verification) enough(ctx context.Context) ([]Combination, error) {
	list, bound := v.found.Combinations, v.found.deviceKey != nil
	if v.Grade == nil {
		return Usable(list, bound)
	}
	grade, err := v.Grade(ctx)
	if err != nil {
		return nil, err
	}
	if grade > v.found.Grade {
		if list = v.found.Raised; grade != risk.GradeRaised || len(list) == 0 {
			return nil, ErrExpired
		}
	}
	return Usable(list, bound)
}

// rehash adds the statement that stores a right trade password anew, if its stored text
// is out of date. Only a call whose proofs all hold does so: the time of a refusal must
// not tell that the password was right. Without a turn to hash, a later call does it.
func (v *Verification) rehash(ctx context.Context, unit *pg.Unit) error {
	trade := v.tradePassword()
	if trade == nil || !trade.tried.Stale() {
		return nil
	}
	turn, err := v.Passwords.Begin(ctx)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	defer turn.End()
	return trade.tried.Rehash(ctx, turn, unit)
}

// Waits reports whether a proof is not counted, because attempts in flight may reach its
// bound. Verify then refuses an open intent with REQUEST_IN_PROGRESS. The caller settles
// this verification, and may queue it again a little later.
func (v *Verification) Waits() bool {
	return v.loadErr == nil && slices.ContainsFunc(v.attempts, func(a attempt) bool { return a.waits() })
}

// prove verifies all proofs, so that it recognises a right password beside a wrong
// code.
func (v *Verification) prove(ctx context.Context, ring *keys.Ring) ([]Factor, error) {
	if f, more := v.surplus(); more {
		v.Failed = f
		return nil, ErrProofRejected
	}
	proven := make([]Factor, len(v.attempts))
	var failed error
	for i, a := range v.attempts {
		proven[i] = v.Confirmation.Proofs[i].Factor
		if err := a.verify(ctx, v, ring); err != nil && failed == nil {
			failed, v.Failed = err, proven[i]
		}
	}
	return proven, failed
}

// Reason returns the reason for the access record, after Verify and the settlement. It
// names the wrong proof, and an end or begin of a lock of a password or token, or that its
// stored text can't be read. It returns "" if there is no reason.
func (v *Verification) Reason() string {
	var parts []string
	if v.lockEnded {
		parts = append(parts, "lock ended")
	}
	if v.Failed != "" {
		parts = append(parts, string(v.Failed))
	}
	for i, a := range v.attempts {
		stored, is := a.(storedSecret)
		if !is {
			continue
		}
		name := v.Confirmation.Proofs[i].Factor
		if stored.nowLocked() {
			if v.Failed != name { // another proof is wrong too
				parts = append(parts, string(name))
			}
			parts = append(parts, "now locked")
		}
		if stored.damaged() {
			parts = append(parts, string(name)+" damaged")
		}
	}
	return strings.Join(parts, ", ")
}

// tradePassword returns the attempt at the trade password; nil if the request has none. A
// request has at most one proof of each factor (surplus).
func (v *Verification) tradePassword() *tradePasswordAttempt {
	for _, a := range v.attempts {
		if trade, is := a.(*tradePasswordAttempt); is {
			return trade
		}
	}
	return nil
}

// Settle adds to the unit the statements that settle the counted attempts of a call
// without effect: wrong guesses stay counted, all others give their counts back.
// Insufficient funds are no wrong guess. The unit stays empty if nothing was counted.
func (v *Verification) Settle(unit *pg.Unit) {
	for _, a := range v.attempts {
		a.settle(unit)
	}
}

// Explain adds the tries left, and a lock, to a refusal. Call it after the settlement has
// committed.
func (v *Verification) Explain(refused error) error {
	told, guessable := v.left()
	if !guessable || !errors.Is(refused, ErrProofRejected) {
		return refused
	}
	e := bankerr.From(refused)
	if !told.LockedUntil.IsZero() {
		e = e.WithRetryAfter(told.LockedUntil.Sub(v.Now))
	}
	return e.Because(errors.Join(e.Unwrap(), &told))
}

// left returns the lowest number of guesses that are left for one of the proofs, and the
// end of a lock. It returns false if no proof can be guessed.
func (v *Verification) left() (told AttemptsError, guessable bool) {
	for _, a := range v.attempts {
		n, until, can := a.left()
		if !can {
			continue
		}
		if !guessable || n < told.TriesLeft {
			told.TriesLeft = n
		}
		if guessable = true; until != nil {
			told.LockedUntil = *until
		}
	}
	return told, guessable
}

// rejected returns the refusal of a wrong proof. It returns the original error if the
// crypto module has shut.
func rejected(err error) error {
	if errors.Is(err, sm.ErrModule) {
		return bankerr.ErrInternal.Because(err)
	}
	return ErrProofRejected.Because(err)
}

// Verified is an intent whose proofs hold.
type Verified struct {
	Intent  Intent
	Factors []Factor // the factors of all proofs in the request

	attempts []attempt
	rehashed pg.Unit
	now      time.Time
}

// Consume adds to the unit the statements that use up the intent and its proofs.
func (e *Verified) Consume(unit *pg.Unit) {
	unit.Add(pg.Statement{
		Call:   "intent_consume",
		Rows:   sqlIntentConsumeRows,
		Args:   []any{e.Intent.ID, e.Intent.CustomerID, e.now},
		Refuse: map[string]error{ErrExpired.Code(): ErrExpired, ErrUsed.Code(): used(e.Intent.ID)},
	})
	for _, a := range e.attempts {
		a.consume(unit, e.Intent.CustomerID)
	}
	unit.Append(e.rehashed)
}

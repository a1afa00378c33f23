package fn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/idem"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/staff"
	"github.com/tidebank/tidebank/shared/stepup"
)

// preflight reads, in one round trip to PostgreSQL, all that the runtime must know
// before the operation. Then it decides in this order: a repeated request gets its
// first answer, the proofs must hold, risk must allow the call, and the proven factors must
// be enough for the grade now.
func (c *call) preflight(ctx context.Context) error {
	var batch pgx.Batch
	grade := risk.GradeNormal
	if c.spec.Risk != risk.None {
		customer.QueueGrade(&batch, c.CustomerID, func(found risk.Grade) { grade = found })
		c.queueEnvironment(&batch)
	}
	if c.spec.StepUp {
		c.queueVerification(&batch)
	}
	var member staff.Standing
	if c.spec.Audience == Staff {
		member.QueueStanding(&batch, c.StaffID)
	}
	// The look-up comes last. Each statement sees the data that was committed when the
	// statement began. So a call that finds its intent used also finds the record of the
	// concurrent duplicate that used it.
	var repeated *idem.Stored
	if c.ticket != nil {
		idem.QueueLookup(&batch, *c.ticket, func(found idem.Stored) { repeated = &found })
	}
	if batch.Len() == 0 {
		return nil
	}
	for try := 1; ; try++ {
		if err := c.host.DB.QueryBatch(ctx, &batch); err != nil {
			return fmt.Errorf("preflight: %w", err)
		}
		if done, err := c.decided(ctx, member, grade, repeated); done {
			return err
		}
		if err := c.verify(ctx, grade); !errors.Is(err, pg.ErrBusy) || try == waitTries {
			return c.tellsUsed(ctx, err)
		}
		if err := c.await(ctx, try); err != nil {
			return err
		}
	}
}

// decided reports whether the call goes on, or fails, without proofs: a repeated request, and a
// function without step-up.
func (c *call) decided(ctx context.Context, member staff.Standing, grade risk.Grade, repeated *idem.Stored) (bool, error) {
	if err := c.admitStaff(member); err != nil {
		return true, err
	}
	if repeated != nil {
		return true, c.answerAgain(ctx, repeated)
	}
	if c.verification == nil {
		return true, c.askRisk(ctx, grade)
	}
	return false, nil
}

func (c *call) verify(ctx context.Context, grade risk.Grade) (err error) {
	c.verification.Grade = func(ctx context.Context) (risk.Grade, error) {
		err := c.askRisk(ctx, grade)
		return c.Risk.Grade, err
	}
	c.verified, err = c.verification.Verify(ctx, c.host.Keys)
	return err
}

// admitStaff refuses a member of the staff who has left, or has none of the roles that may call
// the function.
func (c *call) admitStaff(member staff.Standing) error {
	switch {
	case c.spec.Audience != Staff:
		return nil
	case !member.Active:
		return session.ErrRequired
	case len(c.spec.Roles) > 0 && !member.HasAny(c.spec.Roles):
		return staff.ErrForbidden
	}
	c.Staff = member
	return nil
}

// A call waits for the attempts in flight of other calls, about a second in all. They are
// settled within milliseconds, unless their calls wait for a lock.
const (
	waitTries = 8
	waitStep  = 30 * time.Millisecond
)

// await gives the counts of this call back, so that no other call waits for them, and
// pauses a little longer at each try.
func (c *call) await(ctx context.Context, try int) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return pg.ErrBusy
	case <-time.After(rand.N(waitStep) + time.Duration(try)*waitStep): //nolint:gosec // jitter, not a secret
		return nil
	}
}

func (c *call) queueVerification(batch *pgx.Batch) {
	confirmer, ok := c.request.(stepup.Confirmer)
	if !ok {
		panic("fn: " + c.spec.Name + " was registered without a confirmation")
	}
	c.verification = &stepup.Verification{
		Operation: c.spec.Name, CustomerID: c.CustomerID, DeviceID: c.DeviceID, Channel: c.Channel,
		Confirmation: confirmer.Confirms(), Now: c.host.Clock.Now(),
		Passwords: password.NewStore(c.host.Keys, c.host.Hashing), Roots: c.host.Roots, Site: c.host.Site,
	}
	c.verification.QueueProofs(batch, c.host.Keys)
}

func (c *call) askRisk(ctx context.Context, grade risk.Grade) error {
	if c.spec.Risk == risk.None {
		return nil
	}
	who := risk.Subject{
		CustomerID: c.CustomerID, DeviceID: c.DeviceID, IP: c.IP, Moved: c.moved, Grade: grade,
		Environment: c.environment.Findings,
	}
	var err error
	if c.Risk, err = c.host.Risk.Evaluate(ctx, c.spec.Risk, who); err != nil {
		return bankerr.ErrUnavailable.Because(fmt.Errorf("risk: %w", err))
	}
	if err := c.environment.Refuses(); err != nil {
		return err
	}
	if c.environment.Risky() {
		c.Risk = c.Risk.Raised()
	}
	if c.Risk.Outcome == risk.Refuse {
		return risk.ErrRefused
	}
	return nil
}

package fn

import (
	"context"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/session"
)

// endSession ends the sessions that the Spec declares. It takes the number of a session that
// will start: whatever ends the customer's sessions after the commit ends this one too.
func (c *call) endSession(ctx context.Context) (err error) {
	switch {
	case c.starts != uuid.Nil:
		c.number, err = c.host.Sessions.Number(ctx, c.starts)
		return err
	case c.spec.Session == SessionEnds:
		return c.host.Sessions.End(ctx, c.Channel)
	case c.ends != uuid.Nil:
		return c.host.Sessions.EndCustomer(ctx, c.ends)
	}
	return nil
}

// startSession starts the session that the operation asked for, or relieves the caller's of its
// duty. It ends again all sessions of a customer: a login may have begun between their end and
// the commit, by what the commit has replaced.
func (c *call) startSession(ctx context.Context) error {
	switch {
	case c.spec.Session == SessionRelieves && c.Duty != session.NoDuty: // also by a repeated request
		return c.host.Sessions.Relieve(ctx, c.Channel, c.login)
	case c.stored != nil:
		return nil
	case c.starts != uuid.Nil:
		of := session.Login{CustomerID: c.starts, Duty: c.duty}
		return c.host.Sessions.StartNumbered(ctx, c.Channel, of, c.number, session.Origin{
			DeviceID: c.DeviceID, Place: c.place, Address: c.IP,
		})
	case c.ends != uuid.Nil:
		return c.host.Sessions.EndCustomer(ctx, c.ends)
	}
	return nil
}

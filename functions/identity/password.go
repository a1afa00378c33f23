package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// SetTimeout is the time-out of a call that sets a password: it compares two passwords and
// stores one, of which each costs much work by design.
const SetTimeout = 8 * time.Second

// Passwords sets new passwords of customers who have proved two factors.
type Passwords struct {
	DB    pg.Reader
	Ring  *keys.Ring
	Store *password.Store
}

// Setting is a new password of a customer.
type Setting struct {
	CustomerID uuid.UUID
	DeviceID   string
	Clear      []byte
	Reset      bool // the customer has forgotten the earlier password
	At         time.Time
}

// SetLogin adds the new login password to the unit. It returns PASSWORD_WEAK for a password
// against the rules. It reports the change, so that the customer is told. It ends quick log-ins on all
// other devices, and at a reset on this one too. A reset also cancels the customer's open intents:
// somebody else may have prepared them.
func (p Passwords) SetLogin(ctx context.Context, unit *pg.Unit, s Setting) error {
	turn, present, chosen, err := p.begin(ctx, s)
	if err != nil {
		return err
	}
	defer turn.End()
	if chosen.Same, err = present.SameLogin(turn, s.Clear); err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	chosen.Login = string(s.Clear)
	if err := chosen.CheckLogin(); err != nil {
		return err
	}
	if err := password.SetLogin(ctx, unit, turn, s.CustomerID, s.Clear); err != nil {
		return err
	}
	spared := s.DeviceID
	if s.Reset { // before login, a device only claims its id
		spared = ""
	}
	if err := device.EndQuick(ctx, unit, s.CustomerID, spared); err != nil {
		return err
	}
	return p.report(ctx, unit, s, password.LoginField)
}

// GiveLogin adds to the unit a temporary login password that is good for `valid`, and returns it. It is
// SetLogin at a reset, but the bank chooses (PWD-015).
func (p Passwords) GiveLogin(ctx context.Context, unit *pg.Unit, s Setting, valid time.Duration) (string, error) {
	turn, _, chosen, err := p.begin(ctx, s)
	if err != nil {
		return "", err
	}
	defer turn.End()
	clear := chosen.Temporary()
	if err := password.GiveLogin(ctx, unit, turn, password.Given{
		CustomerID: s.CustomerID, Clear: clear, At: s.At, Valid: valid,
	}); err != nil {
		return "", err
	}
	const nowhere = ""
	if err := device.EndQuick(ctx, unit, s.CustomerID, nowhere); err != nil {
		return "", err
	}
	return clear, p.report(ctx, unit, s, password.LoginField)
}

// SetTrade is SetLogin for the trade password.
func (p Passwords) SetTrade(ctx context.Context, unit *pg.Unit, s Setting) error {
	turn, present, chosen, err := p.begin(ctx, s)
	if err != nil {
		return err
	}
	defer turn.End()
	chosen.Trade = password.FoldedTrade(s.Clear)
	if chosen.Same, err = present.SameTrade(turn, []byte(chosen.Trade)); err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	if err := chosen.CheckTrade(); err != nil {
		return err
	}
	if err := password.SetTrade(ctx, unit, turn, s.CustomerID, []byte(chosen.Trade)); err != nil {
		return err
	}
	return p.report(ctx, unit, s, password.TradeField)
}

// SetGesture is SetLogin for the gesture of the customer's device. The commit returns
// DEVICE_UNBOUND if the customer has bound no key on it.
func (p Passwords) SetGesture(ctx context.Context, unit *pg.Unit, s Setting) error {
	chosen := password.New{Gesture: string(s.Clear)}
	if err := chosen.CheckGesture(); err != nil {
		return err
	}
	turn, err := p.Store.Begin(ctx)
	if err != nil {
		return err
	}
	defer turn.End()
	stored, err := turn.Hash(password.OfGesture(s.CustomerID, s.DeviceID), s.Clear)
	if err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	device.StoreGesture(unit, device.Gesture{CustomerID: s.CustomerID, DeviceID: s.DeviceID, Stored: stored}, stepup.ErrUnbound)
	return p.report(ctx, unit, s, password.GestureField)
}

// begin reads what the rules compare a new password with, and waits for the turn to hash.
func (p Passwords) begin(ctx context.Context, s Setting) (*password.Turn, password.Present, password.New, error) {
	var batch pgx.Batch
	var sealed customer.Sealed
	var present password.Present
	sealed.QueueSealed(&batch, s.CustomerID)
	present.QueuePresent(&batch, s.CustomerID)
	if err := p.DB.Batch(ctx, &batch); err != nil {
		return nil, present, password.New{}, fmt.Errorf("present passwords: %w", err)
	}
	record, err := sealed.Open(p.Ring)
	if err != nil {
		return nil, present, password.New{}, bankerr.ErrInternal.Because(err)
	}
	turn, err := p.Store.Begin(ctx)
	return turn, present, password.New{Phone: record.Phone, IDNo: record.IDNo, Names: []string{record.Name, record.Alias}}, err
}

func (p Passwords) report(ctx context.Context, unit *pg.Unit, s Setting, which string) error {
	if s.Reset {
		stepup.CancelAll(unit, s.CustomerID)
	}
	id := s.CustomerID.String()
	return events.Emit(ctx, unit, id, s.CustomerID, events.PasswordChanged{
		CustomerID: id, DeviceID: s.DeviceID, Which: which, Reset: s.Reset, ChangedAt: s.At,
	})
}

package stepup

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/limit"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// TradePassword is the six digits that the customer chose for moving money.
const TradePassword Factor = "trade_password"

type tradePassword struct{}

func (tradePassword) name() Factor { return TradePassword }

// The standard gives a password no cap, so a password has the lowest cap of all: the
// SMS code's.
func (tradePassword) cap() money.Fen        { return CapSMS }
func (tradePassword) day() limit.Kind       { return limit.TransferSMS }
func (tradePassword) begin(p Proof) attempt { return &tradePasswordAttempt{sealed: p.Password} }

type tradePasswordAttempt struct {
	sealed   []byte
	stored   string // "" if the password is locked or the attempt is not counted
	reopened bool   // this is the first attempt after a lock
	last     bool   // a wrong guess locks the password
	right    bool
}

func (a *tradePasswordAttempt) load(v *Verification, batch *pgx.Batch) {
	guess := password.TradeAttempt{
		CustomerID: v.CustomerID, IntentID: v.Confirmation.IntentID, DeviceID: v.DeviceID, Operation: v.Operation, Now: v.Now,
	}
	guess.Count(batch, func(row pgx.Row) error {
		var answer *string
		if err := row.Scan(&answer); err != nil {
			return pg.Classify(fmt.Errorf("count trade password attempt: %w", err))
		}
		a.read(answer)
		return nil
	})
}

// read parses the answer of trade_password_count_attempt.
func (a *tradePasswordAttempt) read(answer *string) {
	a.stored, a.reopened, a.last = "", false, false
	if answer == nil {
		return
	}
	rest, reopened := strings.CutPrefix(*answer, "reopened ")
	verdict, stored, _ := strings.Cut(rest, " ")
	a.stored, a.reopened, a.last = stored, reopened, verdict == "last"
}

func (a *tradePasswordAttempt) verify(v *Verification, ring *keys.Ring) error {
	if a.stored == "" {
		return ErrPasswordLocked
	}
	err := a.compare(v, ring)
	a.right = err == nil
	v.lockEnded, v.nowLocked = a.reopened, a.last && !a.right
	return err
}

func (a *tradePasswordAttempt) compare(v *Verification, ring *keys.Ring) error {
	password, err := OpenPassword(ring, v.Channel, a.sealed)
	if err != nil {
		return err
	}
	if err := sm.CheckPassword(a.stored, password); err != nil {
		return rejected(err)
	}
	return nil
}

func (a *tradePasswordAttempt) undo(unit *pg.Unit, customer uuid.UUID) bool {
	if a.right {
		a.consume(unit, customer)
	}
	return a.right
}

// consume resets the count of failures. The password itself stays valid; the intent
// is used once.
func (a *tradePasswordAttempt) consume(unit *pg.Unit, customer uuid.UUID) {
	password.ResetTradeAttempts(unit, customer)
}

// OpenPassword opens a password that the app sealed to the bank's password key for
// this channel. It refuses a password that was sealed for another channel.
func OpenPassword(ring *keys.Ring, id channel.ID, sealed []byte) ([]byte, error) {
	clear, err := password.Open(ring, id, sealed)
	if errors.Is(err, password.ErrUnsealed) {
		return nil, ErrProofRejected.Because(err)
	}
	if err != nil {
		return nil, bankerr.ErrInternal.Because(err)
	}
	return clear, nil
}

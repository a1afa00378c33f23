package events

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
)

// Data is what an event tells.
type Data interface{ EventType() string }

func (TransferPosted) EventType() string     { return TypeTransferPosted }
func (OTPIssued) EventType() string          { return TypeOTPIssued }
func (IdentityRegistered) EventType() string { return TypeIdentityRegistered }
func (IdentityLoggedIn) EventType() string   { return TypeIdentityLoggedIn }
func (AccessRecorded) EventType() string     { return TypeAccessRecorded }
func (FraudScored) EventType() string        { return TypeFraudScored }

// Emit adds an event.
func Emit(ctx context.Context, to any, subject string, customer uuid.UUID, data Data) error {
	id, err := uuid.NewV7()
	if err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	e := pg.Event{ID: id, Type: data.EventType(), Subject: subject, CustomerHash: CustomerHash(customer), Data: data}
	if unit, ok := to.(*pg.Unit); ok {
		return unit.Emit(ctx, e)
	}
	return pg.Emit(ctx, to.(pgx.Tx), e)
}

// Package me shows the caller's own personal data, masked.
//
//	POST /function/identity-me   session
package me

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/password"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "identity-me", Summary: "Show the caller's masked personal data", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal:     []string{"name_masked", "phone_masked", "id_no_masked"},
	Keys:         []keys.Purpose{keys.Storage},
	Requirements: []string{"MASK-002", "MASK-004", "LOGIC-011"},
}, wire)

// Config is empty: the function has no settings.
type Config struct{}

// Request has no fields.
type Request struct{}

// Response is the customer, masked.
type Response struct {
	NameMasked      string     `json:"name_masked"`
	PhoneMasked     string     `json:"phone_masked"`
	IDNoMasked      string     `json:"id_no_masked"`
	DeviceID        string     `json:"device_id" clear:"device_id"`
	LastLoginAt     *time.Time `json:"last_login_at" doc:"The login before the current one"`
	LastLoginDevice *string    `json:"last_login_device" clear:"device_id" doc:"The device of the login before the current one"`
	LastLoginPlace  *string    `json:"last_login_place" doc:"The place of its address; unknown if the bank does not know it"`
	LastVerified    bool       `json:"last_login_verified" doc:"That device proved its bound key; otherwise it only claimed its id"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(ctx context.Context, call *fn.Call, _ Request) (Response, error) {
		var batch pgx.Batch
		var sealed customer.Sealed
		var last password.LastLogin
		sealed.QueueSealed(&batch, call.CustomerID)
		last.QueueLast(&batch, call.CustomerID)
		if err := lent.DB.Batch(ctx, &batch); err != nil {
			return Response{}, fmt.Errorf("particulars: %w", err)
		}
		c, err := sealed.Open(lent.Keys)
		if err != nil {
			return Response{}, bankerr.ErrInternal.Because(err) // a customer with a session always has a readable record
		}
		return Response{
			NameMasked: mask.Name(c.Name), PhoneMasked: mask.Phone(c.Phone), IDNoMasked: mask.IDNo(c.IDNo),
			DeviceID: call.DeviceID, LastLoginAt: clock.Local(last.At), LastLoginDevice: last.Device,
			LastLoginPlace: last.PlaceName(), LastVerified: last.Verified,
		}, nil
	}, nil
}

// Package me shows the caller who the bank thinks they are, masked.
//
//	POST /function/identity-me   session
package me

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/mask"
)

// Function is what the registry, mains and manifests are made from.
var Function = fn.Query(fn.Spec{
	Name: "identity-me", Summary: "Show the caller's masked particulars", Audience: fn.Customer, Audit: fn.AuditRead,
	Personal:     []string{"name_masked", "phone_masked", "id_no_masked"},
	Keys:         []keys.Purpose{keys.Storage},
	Requirements: []string{"MASK-002", "MASK-004", "SESSION-005", "LOGIC-011"},
}, wire)

// Config is empty: the host lends all that is needed.
type Config struct{}

// Request asks for nothing.
type Request struct{}

// Response is the customer, masked.
type Response struct {
	NameMasked      string     `json:"name_masked"`
	PhoneMasked     string     `json:"phone_masked"`
	IDNoMasked      string     `json:"id_no_masked"`
	DeviceID        string     `json:"device_id"`
	LastLoginAt     *time.Time `json:"last_login_at"`
	LastLoginDevice *string    `json:"last_login_device"`
}

func wire(_ context.Context, lent *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	store := identity.NewStore(lent.DB, lent.Keys)
	return func(ctx context.Context, call *fn.Call, _ Request) (Response, error) {
		c, err := store.Customer(ctx, call.CustomerID)
		if err != nil {
			return Response{}, err
		}
		if c.LastLoginAt != nil {
			local := c.LastLoginAt.In(clock.Shanghai)
			c.LastLoginAt = &local
		}
		return Response{
			NameMasked: mask.Name(c.Name), PhoneMasked: mask.Phone(c.Phone), IDNoMasked: mask.IDNo(c.IDNo),
			DeviceID: call.DeviceID, LastLoginAt: c.LastLoginAt, LastLoginDevice: c.LastLoginDevice,
		}, nil
	}, nil
}

package stepup

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/consent"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/token"
)

// Means is what a customer can prove a change by, on one device.
type Means struct {
	Key   device.State
	Token token.State
	Face  bool // the customer consents to face checks, and the bank has a reference photo
	UKeys cert.Held
}

// QueueMeans adds the queries for the customer's means to the batch. A reference photo that is older
// than oldest does not count.
func (m *Means) QueueMeans(batch *pgx.Batch, ring *keys.Ring, customer uuid.UUID, deviceID string, now, oldest time.Time) {
	device.QueueState(batch, customer, deviceID, now, &m.Key)
	token.QueueToken(batch, customer, &m.Token)
	face.QueueUsable(batch, ring, customer, consent.Security, oldest, &m.Face)
	cert.QueueHeld(batch, customer, deviceID, now, &m.UKeys)
}

// Provable returns the combinations of a change that the customer can prove. keyProves says whether
// the device's key may confirm it. It returns ErrUnbound if only this key is missing, and ErrStronger
// if the customer has none of what the change needs.
func (m Means) Provable(list []Combination, keyProves bool) ([]Combination, error) {
	has := Case{Token: m.Token == token.Active, Face: m.Face, Unlock: m.Key.Unlock, UKeys: m.UKeys}
	held := slices.DeleteFunc(slices.Clone(list), func(c Combination) bool {
		// A token that is bound by the change itself proves by its first response.
		return !has.has(c) && !slices.Contains(c, Token)
	})
	if len(held) == 0 {
		return nil, ErrStronger.Because(missing(list, nil))
	}
	return Usable(held, keyProves)
}

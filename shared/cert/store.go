package cert

import (
	"fmt"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const sqlRegister = `-- certificate.register
INSERT INTO certificate (id, customer_id, serial, der, chain, key_digest, valid_from, valid_until, issued_at,
                         opened, device_id, attestation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// RegisterCertificate adds to the unit the certificate of an application. The commit returns
// ErrRejected if the key has a certificate already.
func (i Issued) RegisterCertificate(unit *pg.Unit, now time.Time) error {
	key, err := i.Certificate.Key().Marshal()
	if err != nil {
		return bankerr.ErrInternal.Because(fmt.Errorf("certified key: %w", err))
	}
	from, until := i.Certificate.Valid()
	opened, deviceID, attestation := InApp, (*string)(nil), []byte(nil)
	if shield := i.Application.shield; shield != nil {
		opened, deviceID, attestation = InShield, &shield.DeviceID, shield.Attestation
	}
	unit.Add(pg.Statement{
		SQL: sqlRegister,
		Args: []any{
			i.Application.ID, i.Application.Customer, i.Certificate.Serial(), i.Certificate.DER(), i.Chain, sm.Digest(key),
			from, until, now, opened, deviceID, attestation,
		},
		Refuse: map[string]error{"certificate_key_unique": ErrRejected.Because(errUsed)},
	})
	return nil
}

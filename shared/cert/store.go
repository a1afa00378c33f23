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
                         opened, device_id, key_serial, attestation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

// RegisterCertificate adds to the unit the certificate of an application. The commit returns
// ErrRejected if the key has a certificate already, or is a Bluetooth Key that the bank has not
// handed out to the customer.
func (i Issued) RegisterCertificate(unit *pg.Unit, now time.Time) error {
	key, err := i.Certificate.Key().Marshal()
	if err != nil {
		return bankerr.ErrInternal.Because(fmt.Errorf("certified key: %w", err))
	}
	from, until := i.Certificate.Valid()
	to := bound{opened: InApp}
	if i.Application.bound != nil {
		to = *i.Application.bound
	}
	unit.Add(pg.Statement{
		SQL: sqlRegister,
		Args: []any{
			i.Application.ID, i.Application.Customer, i.Certificate.Serial(), i.Certificate.DER(), i.Chain, sm.Digest(key),
			from, until, now, to.opened, to.deviceID, to.keySerial, to.attestation,
		},
		Refuse: map[string]error{
			"certificate_key_unique":       ErrRejected.Because(errUsed),
			"certificate_of_bluetooth_key": ErrRejected.Because(errUsed),
			"certificate_handed_out":       ErrRejected.Because(errHandedOut),
		},
	})
	return nil
}

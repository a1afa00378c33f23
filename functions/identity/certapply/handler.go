// Package certapply gets a certificate for the caller from the bank's certificate authority.
//
//	POST /function/identity-cert-apply   session, step-up
//
// The app sends a certificate signing request (PKCS#10, DER) for the subject that
// identity-change-prepare has named, within the session that asked. The bank accepts it
// once: its public key must be a point of the SM2 curve and have signed it, and must have no
// certificate yet. A refused request uses nothing up, so the app may send another one for
// the same intent until it expires; but once the authority has issued, it refuses every other
// request of the intent. For a phone shield (手机盾), an attestation by the phone's maker shows that
// the phone's trusted environment holds the key, and the certificate signs on this device only. For a
// Bluetooth Key (蓝牙Key), an attestation by the key's maker shows that the key with this serial number,
// which the bank has handed out to the customer, holds it. Such a key gets one certificate.
// A certificate is renewed in the 90 days before it ends by a signature of its key beside a code and the trade
// password (certificate_renew): the new one, for a new key
// pair, counts as opened where the earlier one was. The earlier one goes on until its end.
// Refusals: CERT_REQUEST_REJECTED; CERT_RENEWAL_EARLY; INTENT_EXPIRED in another
// session; SERVICE_UNAVAILABLE if the authority does not answer; those of the step-up.
package certapply

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidebank/tidebank/functions/identity"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: identity.CertApply, Summary: "Apply for a certificate", Rate: fn.RateAuth, Audit: fn.AuditAuth,
	Refusals: []*bankerr.Error{cert.ErrRejected, cert.ErrEarly}, Requirements: []string{"AUTH-019", "AUTH-022"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct {
	Authority cert.Config
	Makers    cert.MakersConfig
}

// Request names the intent and holds the proofs and the certificate signing request.
type Request struct {
	stepup.Confirmation
	CSR []byte `json:"csr" minLength:"4" maxLength:"2732" doc:"PKCS#10 with SM2 and SM3, DER, for the subject of the preparation"`

	KeySerial        string   `json:"key_serial,omitempty" maxLength:"32" doc:"For bluetooth_key: on its back"`
	Attestation      []byte   `json:"attestation,omitempty" maxLength:"5464" doc:"For phone_shield, bluetooth_key: PKCS#7 by the maker"`
	AttestationChain [][]byte `json:"attestation_chain,omitempty" nullable:"false" maxItems:"4" doc:"Between it and its root, X.509"`
}

// Response is the certificate.
type Response struct {
	Certificate []byte    `json:"certificate" doc:"X.509, DER"`
	Chain       [][]byte  `json:"chain" nullable:"false" doc:"The authorities between the certificate and the root, X.509, DER"`
	ValidUntil  time.Time `json:"valid_until"`
}

type operation struct {
	authority *cert.Authority
	makers    cert.Makers
	db        pg.Reader
	clock     clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	makers, err := cert.NewMakers(config.Makers)
	if err != nil {
		return nil, err
	}
	authority, err := cert.NewAuthority(config.Authority, lent.Clock, lent.Downstream(downstream.Certificates))
	return operation{authority: authority, makers: makers, db: lent.DB, clock: lent.Clock}.do, err
}

var errSession = errors.New("another session asked for the certificate")

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, confirmed fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	if confirmed.Plan.Session != call.Session {
		return Response{}, stepup.ErrExpired.Because(errSession)
	}
	application, err := op.accept(ctx, call, req, confirmed)
	if err != nil {
		return Response{}, err
	}
	issued, err := op.authority.Issue(ctx, application)
	if err != nil {
		return Response{}, err
	}
	_, until := issued.Certificate.Valid()
	reply := Response{Certificate: issued.Certificate.DER(), Chain: issued.Chain, ValidUntil: until.In(clock.Shanghai)}
	return reply, issued.RegisterCertificate(unit, op.clock.Now())
}

// signed is the signature of a soft UKey's certificate among the proofs; nil if there is none.
func (r Request) signed() []byte {
	for _, p := range r.Proofs {
		if p.Factor == stepup.SoftUKey || p.Factor == stepup.SoftUKeyCounter {
			return p.SignedData
		}
	}
	return nil
}

// accept checks the request, and for a phone shield or a Bluetooth Key where its key is.
func (op operation) accept(
	ctx context.Context, call *fn.Call, req Request, confirmed fn.Confirmed[identity.Change],
) (cert.Application, error) {
	application, err := cert.Accept(call.CustomerID, confirmed.IntentID, req.CSR)
	if err != nil {
		return application, err
	}
	word := cert.Attestation{DER: req.Attestation, Chain: req.AttestationChain, Now: op.clock.Now()}
	switch plan := confirmed.Plan; {
	case plan.Renews():
		counter := slices.Contains(confirmed.Factors, stepup.SoftUKeyCounter)
		return application.Renewed(ctx, op.db, req.signed(), counter, op.clock.Now())
	case plan.Shields():
		return op.makers.BindShield(application, call.DeviceID, word)
	case plan.OpensKey():
		if application, err = op.makers.BindKey(application, req.KeySerial, word); err != nil {
			return application, err
		}
		return application, application.HandedOut(ctx, op.db)
	default:
		return application, nil
	}
}

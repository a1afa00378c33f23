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
// the phone's trusted environment holds the key, and the certificate signs on this device only.
// Refusals: CERT_REQUEST_REJECTED; INTENT_EXPIRED in another
// session; SERVICE_UNAVAILABLE if the authority does not answer; those of the step-up.
package certapply

import (
	"context"
	"errors"
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
	Refusals: []*bankerr.Error{cert.ErrRejected}, Requirements: []string{"AUTH-019", "AUTH-022"},
}, wire)

// Config is read from the environment once, when the process starts.
type Config struct {
	Authority cert.Config
	Shield    cert.ShieldConfig
}

// Request names the intent and holds the proofs and the certificate signing request.
type Request struct {
	stepup.Confirmation
	CSR []byte `json:"csr" minLength:"4" maxLength:"2732" doc:"PKCS#10 with SM2 and SM3, DER, for the subject of the preparation"`

	Attestation      []byte   `json:"attestation,omitempty" maxLength:"5464" doc:"For phone_shield: PKCS#7 by the phone's maker"`
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
	shields   cert.Shields
	clock     clock.Clock
}

func wire(_ context.Context, lent *fn.Lent, config Config) (fn.ConfirmOperation[identity.Change, Request, Response], error) {
	shields, err := cert.NewShields(config.Shield)
	if err != nil {
		return nil, err
	}
	authority, err := cert.NewAuthority(config.Authority, lent.Clock, lent.Downstream(downstream.Certificates))
	return operation{authority: authority, shields: shields, clock: lent.Clock}.do, err
}

var errSession = errors.New("another session asked for the certificate")

func (op operation) do(
	ctx context.Context, call *fn.Call, req Request, confirmed fn.Confirmed[identity.Change], unit *pg.Unit,
) (Response, error) {
	if confirmed.Plan.Session != call.Session {
		return Response{}, stepup.ErrExpired.Because(errSession)
	}
	application, err := cert.Accept(call.CustomerID, confirmed.IntentID, req.CSR)
	if err != nil {
		return Response{}, err
	}
	if confirmed.Plan.Shields() {
		application, err = op.shields.Bind(application, call.DeviceID, req.Attestation, req.AttestationChain, op.clock.Now())
		if err != nil {
			return Response{}, err
		}
	}
	issued, err := op.authority.Issue(ctx, application)
	if err != nil {
		return Response{}, err
	}
	_, until := issued.Certificate.Valid()
	reply := Response{Certificate: issued.Certificate.DER(), Chain: issued.Chain, ValidUntil: until.In(clock.Shanghai)}
	return reply, issued.RegisterCertificate(unit, op.clock.Now())
}

// Package cert owns the tables certificate and revocation_list: the certificates that the bank's
// certificate authority issues to customers, what it has revoked, and the way to the authority.
//
// A customer asks for a certificate in a session. The bank names the subject, and the app
// makes a key pair and a PKCS#10 request for exactly this subject (Subject). Accept checks
// the request: its public key is a point of the SM2 curve, the key has signed it, and the
// subject is the one that was named. The authority issues by an HTTP interface (Authority),
// and the bank trusts what it answers only if the configured roots lead to it, and it holds
// the key and the subject of the request. A key gets one certificate.
//
// A customer signs with the certificate's key (Signature). The signature holds only while the
// certificate is valid, the bank's roots lead to it, and the authority's newest list of revoked
// certificates does not name it. bank-upkeep fetches the lists each minute (Relist); without a
// list of the last minutes, no signature holds.
//
// The certificate of a phone shield (手机盾) is bound to one phone, whose maker attests that its
// trusted environment holds the key (Shields).
//
// Certificates, requests, lists and signatures are DER. Refusals: CERT_REQUEST_REJECTED,
// SERVICE_UNAVAILABLE. Values are safe for concurrent use, but for Signature. Source: AUTH-002,
// AUTH-019, AUTH-022, LIMIT-002, GM/T 0010-2012, GM/T 0014-2012, RFC 2986, RFC 5280.
package cert

import (
	"bytes"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/sm"
)

// ErrRejected refuses a certificate signing request. Its cause tells audit why.
var ErrRejected = bankerr.New(bankerr.Refused, "CERT_REQUEST_REJECTED")

// Subject is the distinguished name (DER) of the certificate that the application of a
// customer asks for. It holds no personal data.
func Subject(customer, application uuid.UUID) ([]byte, error) {
	return sm.Subject(customer.String(), application.String())
}

// Application is a checked request for a certificate.
type Application struct {
	ID       uuid.UUID // of the intent that asked for it
	Customer uuid.UUID
	DER      []byte // PKCS#10

	request sm.Request
	shield  *Shield // nil: the certificate is bound to no phone
}

// Accept checks the request of an application. It returns ErrRejected for a key that is no
// point of the curve, for a signature of another key, and for another subject.
func Accept(customer, application uuid.UUID, der []byte) (Application, error) {
	request, err := sm.ParseRequest(der)
	if err != nil {
		return Application{}, because(ErrRejected, err)
	}
	subject, err := Subject(customer, application)
	if err != nil {
		return Application{}, bankerr.ErrInternal.Because(err)
	}
	if !bytes.Equal(subject, request.Subject) {
		return Application{}, ErrRejected.Because(errSubject)
	}
	return Application{ID: application, Customer: customer, DER: der, request: request}, nil
}

// Issued is a certificate that the authority has issued, and that the bank has checked.
type Issued struct {
	Application Application
	Certificate *sm.Certificate
	Chain       [][]byte // the authorities between the certificate and a root
}

// checked trusts the authority's answer only if a root leads to the certificate, and it is
// the one that the application asked for.
func checked(a Application, answer reply, roots sm.Roots, now time.Time) (Issued, error) {
	c, err := sm.ParseCertificate(answer.Certificate)
	if err != nil {
		return Issued{}, fmt.Errorf("issued certificate: %w", err)
	}
	if err := roots.Check(c, answer.Chain, now); err != nil {
		return Issued{}, fmt.Errorf("issued certificate: %w", err)
	}
	if !c.Key().Equal(a.request.Key) || !bytes.Equal(c.Subject(), a.request.Subject) {
		return Issued{}, errOther
	}
	return Issued{Application: a, Certificate: c, Chain: answer.Chain}, nil
}

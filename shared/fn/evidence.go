package fn

import (
	"encoding/json"
	"errors"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// errChanged is a fault of an operation's code.
var errChanged = errors.New("the operation has changed something, and does not say whose it is (Call.Changed)")

// Changed names the customer of a public command that changes what the customer has agreed with the bank. Its Spec declares
// Changes.
func (c *Call) Changed(customer uuid.UUID) { c.of.changed = customer }

// mayChange reports whether the form and the audience are those of a change of the customer's own matters. The records of
// money are their own evidence.
func (s Spec) mayChange(f Form) bool {
	return f == FormConfirm && s.Audit != AuditMoney || f == FormCommand && s.Audience == Customer && s.Audit == AuditAuth || s.Changes
}

// Evidenced reports whether each success of the function leaves evidence that the bank has signed (AUTH-023). It holds for
// every confirmation but those of money, and for every command of a customer who is logged in and is audited as AuditAuth,
// unless NoEvidence says why it changes nothing that the customer has agreed with the bank. So a new function leaves evidence
// unless it gives a reason. A public command declares Changes.
func (f Function) Evidenced() bool { return f.Spec.mayChange(f.Form) && f.Spec.NoEvidence == "" }

// secretFields are the fields of requests that hold codes. The evidence leaves them out, like proofs and passwords.
var secretFields = []string{"otp", "code", "next_code"}

// proveChange adds the evidence of the call's change to the unit that it commits. A call that changes nothing leaves none.
func (c *call) proveChange(unit *pg.Unit) error {
	if !c.bound.evidenced || c.unit.Empty() {
		return nil
	}
	who := c.CustomerID
	if c.spec.Audience == Public {
		who = c.changed
	}
	if who == uuid.Nil {
		return bankerr.ErrInternal.Because(errChanged)
	}
	content, err := c.signedContent(who)
	if err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	statement, err := content.StoreChange(c.host.Keys)
	if err != nil {
		return bankerr.ErrInternal.Because(err)
	}
	unit.Add(statement)
	return nil
}

// signedContent is what the bank signs about the call. The request itself is only of a session: before a login it holds the
// data of a person who may be somebody else.
func (c *call) signedContent(who uuid.UUID) (evidence.Signed, error) {
	request, err := c.bound.proved.of(c.raw)
	if err != nil {
		return evidence.Signed{}, err
	}
	s := evidence.Signed{
		CustomerID: who, Operation: c.spec.Name, DeviceID: c.DeviceID, At: c.host.Clock.Now(), RequestDigest: sm.Digest(request),
		Factors: []string{}, Signatures: []evidence.Signature{},
	}
	if c.spec.Audience == Customer {
		s.Request = json.RawMessage(request)
	}
	if c.verified == nil {
		s.ID, err = uuid.NewV7()
		return s, err //nolint:wrapcheck // the caller wraps it
	}
	s.ID, s.Text = c.verified.Intent.ID, c.verified.Intent.Text
	for _, f := range c.verified.Factors {
		s.Factors = append(s.Factors, string(f))
	}
	s.Signatures = append(s.Signatures, c.verified.Signatures()...)
	return s, nil
}

package consentset_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	identityconsentlist "github.com/tidebank/tidebank/functions/identity/consentlist"
	identityconsentset "github.com/tidebank/tidebank/functions/identity/consentset"
	identityfacebegin "github.com/tidebank/tidebank/functions/identity/facebegin"
	"github.com/tidebank/tidebank/shared/consent"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// fixture is a customer with a reference photo who has consented to nothing.
type fixture struct {
	bank.Pair
	engine facetest.Engine
	photo  face.Reference
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 900_000_00)}
	w.engine = facetest.Start(t, w.Bank)
	w.photo = w.engine.Photo(t, w.Payer)
	w.Exec(t, "DELETE FROM biometric_consent")
	return w
}

func (w fixture) set(t *testing.T, request map[string]any) bank.Reply {
	t.Helper()
	return w.Phone.Call(t, identityconsentset.Function, "", request)
}

func (w fixture) gives(t *testing.T, purpose consent.Purpose) {
	t.Helper()
	notice, _ := consent.Find(purpose)
	w.set(t, map[string]any{"purpose": purpose, "given": true, "acknowledged": notice.Digest()}).Want(t, "")
}

func (w fixture) withdraws(t *testing.T, purpose consent.Purpose) {
	t.Helper()
	w.set(t, map[string]any{"purpose": purpose, "given": false}).Want(t, "")
}

// begin begins a check, and wants the refusal and its record; "" for none.
func (w fixture) begin(t *testing.T, intent uuid.UUID, purpose consent.Purpose, reason string) {
	t.Helper()
	request := map[string]any{"intent_id": intent}
	if purpose != "" {
		request["purpose"] = purpose
	}
	got := w.Phone.Call(t, identityfacebegin.Function, "", request)
	if reason == "" {
		got.Want(t, "")
		return
	}
	got.Want(t, "CONSENT_MISSING")
	w.wantRecord(t, "identity-face-begin", "CONSENT_MISSING", reason)
}

// wantRecord wants that the newest access record tells the refusal.
func (w fixture) wantRecord(t *testing.T, function, code, reason string) {
	t.Helper()
	told := bank.Told[events.AccessRecorded](t, w.Bank, events.TypeAccessRecorded)
	last := told[len(told)-1]
	if last.Function != function || last.Reason != reason || last.Outcome != code || last.CustomerID != w.Payer.ID.String() {
		t.Errorf("the access record is %+v, want %s and %s", last, code, reason)
	}
}

// A face check that names no purpose, another one than that of its operation, or one that the
// customer has not consented to, is refused and recorded. With the consent, the same call passes.
func TestAFaceCheckNeedsAPurposeWithConsent(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-007.1")
	w := newFixture(t)
	transfer, change := w.Prepare(t, w.ToPayee(1_00)).IntentID, w.PrepareChange(t, stepup.ChangeLoginPassword).IntentID
	for _, given := range [][]consent.Purpose{{}, {consent.Security}} {
		for _, p := range given {
			w.gives(t, p)
		}
		w.begin(t, transfer, "", "face without a purpose")
		w.begin(t, transfer, consent.Transfer, "face without consent")
		w.begin(t, transfer, consent.Security, "face for another purpose")
		w.begin(t, transfer, "marketing", "face for another purpose")
	}
	w.begin(t, change, consent.Transfer, "face for another purpose")
	w.begin(t, change, consent.Security, "")
	if n := w.Count(t, "SELECT count(*) FROM face_check WHERE purpose <> 'security'"); n != 0 {
		t.Errorf("%d checks of refused calls are stored", n)
	}
	w.gives(t, consent.Transfer)
	w.begin(t, transfer, consent.Transfer, "")
}

// After the withdrawal, each biometric call for the purpose is refused and recorded, at each step
// of a check. The other purpose stays.
func TestAfterTheWithdrawalNoFaceIsUsed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "BIO-007.2")
	w := newFixture(t)
	w.gives(t, consent.Transfer)
	w.gives(t, consent.Security)
	in := w.Prepare(t, w.ToPayee(1_00))
	passed := w.engine.Proof(t, w.Phone, in.IntentID, w.photo)
	begun := w.engine.Begin(t, w.Phone, in.IntentID)
	asked := w.engine.Calls()
	w.Advance(time.Second)
	w.withdraws(t, consent.Transfer)

	w.begin(t, in.IntentID, consent.Transfer, "face without consent")
	w.engine.Finish(t, w.Phone, begun, facetest.Good(begun, w.photo)).Want(t, "CONSENT_MISSING")
	w.wantRecord(t, "identity-face-finish", "CONSENT_MISSING", "face without consent")
	if w.engine.Calls() != asked {
		t.Error("the engine was asked")
	}
	refused := w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{passed, w.Signed(t, in)}})
	refused.Want(t, "PROOF_REJECTED")
	w.wantRecord(t, "transfer-confirm", "PROOF_REJECTED", string(stepup.Face))
	if n := w.Count(t, "SELECT count(*) FROM bio_reference"); n != 1 {
		t.Errorf("%d references are stored", n)
	}
	change := w.PrepareChange(t, stepup.ChangeLoginPassword).IntentID
	w.begin(t, change, consent.Security, "") // the other purpose
	w.Advance(time.Second)
	w.gives(t, consent.Transfer)
	w.engine.Proof(t, w.Phone, w.Prepare(t, w.ToPayee(1_00)).IntentID, w.photo)
}

// With the last consent, the bank deletes what it holds of the face. A later consent brings none of
// it back. Withdrawals at the same time leave nothing either.
func TestTheLastWithdrawalDeletesTheFace(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.gives(t, consent.Transfer)
	w.gives(t, consent.Security)
	w.engine.Proof(t, w.Phone, w.Prepare(t, w.ToPayee(1_00)).IntentID, w.photo)
	w.Exec(t, "INSERT INTO face_reference (customer_id, handle, kind, taken_at) VALUES ($1, $2, 'counter', now())",
		w.Payer.ID, w.photo.Handle)
	w.engine.Photo(t, w.Payee)
	w.Advance(time.Second)
	for _, r := range check.AtOnce(2, func(i int) bank.Reply {
		return w.set(t, map[string]any{"purpose": consent.All()[i].Purpose, "given": false})
	}) {
		r.Want(t, "")
	}
	for table, want := range map[string]int{"bio_reference": 1, "bio_result": 0, "face_reference": 0} {
		if n := w.Count(t, "SELECT count(*) FROM "+table); n != want {
			t.Errorf("%s has %d rows, want %d: the payee's", table, n, want)
		}
	}
	w.Advance(time.Second)
	w.gives(t, consent.Transfer)
	in := w.Prepare(t, w.ToPayee(1_00))
	w.Phone.Call(t, identityfacebegin.Function, "", map[string]any{"intent_id": in.IntentID, "purpose": "transfer"}).
		Want(t, "FACE_REFERENCE_MISSING")
}

// To consent needs the acknowledgement of the purpose's own notice. The bank keeps the text.
func TestAConsentNeedsItsNotice(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	listed := func() []identityconsentlist.Consent {
		var reply identityconsentlist.Response
		w.Phone.Call(t, identityconsentlist.Function, "", struct{}{}).Into(t, &reply)
		return req.AtLeast(t, 2, reply.Consents)
	}
	for i, c := range listed() {
		if c.Given || c.ChangedAt != nil || c.Title == "" || c.Notice != consent.All()[i].Text {
			t.Errorf("%+v", c)
		}
		for name, digest := range map[string][]byte{
			"of the title": sm.Digest([]byte(c.Title)), "changed": check.Flip(c.Digest, 0), "of zeros": make([]byte, 32),
			"of the other": consent.All()[1-i].Digest(),
		} {
			got := w.set(t, map[string]any{"purpose": c.Purpose, "given": true, "acknowledged": digest})
			if got.Code != "NOTICE_UNACKNOWLEDGED" {
				t.Errorf("%s: %q", name, got.Code)
			}
		}
		w.set(t, map[string]any{"purpose": c.Purpose, "given": true}).Want(t, "NOTICE_UNACKNOWLEDGED")
	}
	w.set(t, map[string]any{"purpose": "transfer", "given": false, "acknowledged": consent.All()[0].Digest()}).Want(t, "INPUT_INVALID")
	w.set(t, map[string]any{"purpose": "marketing", "given": true, "acknowledged": consent.All()[0].Digest()}).Want(t, "INPUT_INVALID")
	w.gives(t, consent.Transfer)
	if c := listed()[0]; !c.Given || !c.ChangedAt.Equal(w.Clock.Now()) || listed()[1].Given {
		t.Errorf("%+v", c)
	}
	const stored = "SELECT count(*) FROM biometric_consent WHERE notice = $1 AND device_id = $2"
	if n := w.Count(t, stored, consent.All()[0].Text, w.Phone.ID); n != 1 {
		t.Errorf("%d consents are stored", n)
	}
}

func TestConsentsNeedASessionAndTheDatabase(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone-of-wang")
	off := map[string]any{"purpose": "transfer", "given": false}
	d.Call(t, identityconsentset.Function, "", off).Want(t, "SESSION_REQUIRED")
	d.Call(t, identityconsentlist.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	check.Must(t, b.Host.Sessions.Start(t.Context(), d.Channel, uuid.New()))
	d.Call(t, identityconsentset.Function, "", off).Want(t, "SERVICE_UNAVAILABLE")
	d.Call(t, identityconsentlist.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
}

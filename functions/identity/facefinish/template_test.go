package facefinish_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/req"
)

// wantAltered tries the customer's own face, and wants it refused as one without a reference. The
// log and the access record tell the finding, and nothing counts as a failure.
func (w fixture) wantAltered(t *testing.T, what string) {
	t.Helper()
	before := strings.Count(w.Log.String(), "the stored template was altered")
	if got := w.passes(t); got.Code != "FACE_REFERENCE_MISSING" || strings.Contains(string(got.Body), "altered") {
		t.Errorf("%s: %d %s", what, got.Status, got.Body)
	}
	told := bank.Told[events.AccessRecorded](t, w.Bank, events.TypeAccessRecorded)
	if last := told[len(told)-1]; last.Reason != "face template altered" || last.CustomerID != w.Payer.ID.String() {
		t.Errorf("%s: the access record is %+v", what, last)
	}
	if strings.Count(w.Log.String(), "the stored template was altered") <= before {
		t.Errorf("%s: the log does not tell it", what)
	}
	if n := w.Count(t, "SELECT coalesce(sum(cardinality(failed)), 0) FROM face_attempt"); n != 0 {
		t.Errorf("%s: %d failures are counted", what, n)
	}
}

// A stored template that was altered in one byte matches nothing: neither the template in the
// engine, whose digest the bank has kept, nor what the bank itself has stored of the reference.
func TestAnAlteredTemplateIsDetected(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.passes(t).Want(t, "")
	for at := range facesim.Template(w.photo.Handle) {
		w.engine.SetFaults(facesim.Faults{Altered: at + 1})
		w.wantAltered(t, "a byte of the engine's template")
		w.engine.SetFaults(facesim.Faults{})
		w.Phone.Reopen(t) // the calls of a minute
		w.Phone.LoginAs(t, w.Payer)
	}
	asked := w.engine.Calls()
	person := face.PersonOf(w.Host.Keys, w.Payer.ID)
	stored := check.Value[[]byte](t, w.Host.DB.Pool(), "SELECT reference_ct FROM bio_reference WHERE person = $1", person)
	put := func(text []byte) {
		t.Helper()
		w.Exec(t, "UPDATE bio_reference SET reference_ct = $2 WHERE person = $1", person, text)
	}
	for at := 0; at < len(stored); at += 9 {
		put(check.Flip(stored, at))
		w.wantAltered(t, "a byte of the stored reference")
		w.Phone.Reopen(t)
		w.Phone.LoginAs(t, w.Payer)
	}
	put(check.Flip(stored, len(stored)-1))
	w.wantAltered(t, "the last byte of the stored reference")
	w.engine.Photo(t, w.Payee)
	other := face.PersonOf(w.Host.Keys, w.Payee.ID)
	put(check.Value[[]byte](t, w.Host.DB.Pool(), "SELECT reference_ct FROM bio_reference WHERE person = $1", other))
	w.wantAltered(t, "another person's reference")
	put(stored)
	w.Exec(t, "UPDATE bio_reference SET taken_at = taken_at + interval '1 second' WHERE person = $1", person)
	w.wantAltered(t, "another time of the photo")
	if w.engine.Calls() != asked {
		t.Error("the engine was asked about a reference that does not open")
	}
	w.Exec(t, "UPDATE bio_reference SET taken_at = taken_at - interval '1 second' WHERE person = $1", person)
	w.passes(t).Want(t, "")
	if n := w.Count(t, "SELECT count(*) FROM face_check WHERE state = 'passed'"); n != 2 {
		t.Errorf("%d checks have passed", n)
	}
	req.Covers(t, "BIO-005.3")
}

// A reference whose template's digest the bank does not know gets it from the first check that
// passes, and from no other one.
func TestTheFirstCheckTellsTheTemplate(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	check.Must(t, w.Seeder().Refer(t.Context(), w.Payer, face.Reference{
		Handle: w.photo.Handle, Kind: face.OnlineCheck, TakenAt: w.Clock.Now().Add(-time.Hour),
	}))
	w.engine.SetFaults(facesim.Faults{Altered: 2})
	c := w.begin(t)
	w.engine.Finish(t, w.Phone, c, facetest.Good(c, face.Reference{Handle: uuid.New()})).Want(t, "FACE_REJECTED")
	w.engine.SetFaults(facesim.Faults{})
	w.passes(t).Want(t, "")
	w.Exec(t, "DELETE FROM face_attempt") // of the rejected check
	w.engine.SetFaults(facesim.Faults{Altered: 2})
	w.wantAltered(t, "after the first check")
}

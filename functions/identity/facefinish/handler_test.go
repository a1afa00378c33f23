package facefinish_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	identitychangeprepare "github.com/tidebank/tidebank/functions/identity/changeprepare"
	identityfacebegin "github.com/tidebank/tidebank/functions/identity/facebegin"
	identityfacefinish "github.com/tidebank/tidebank/functions/identity/facefinish"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

type fixture struct {
	bank.Pair
	engine facetest.Engine
	photo  face.Reference
	intent uuid.UUID
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	w := fixture{Pair: bank.NewPair(t, 900_000_00)}
	w.engine = facetest.Start(t, w.Bank)
	w.photo = w.engine.Photo(t, w.Payer)
	w.intent = w.PrepareChange(t, stepup.ChangeLoginPassword).IntentID
	return w
}

func (w fixture) begin(t *testing.T) face.Challenge {
	t.Helper()
	return w.engine.Begin(t, w.Phone, w.intent)
}

// passes tries the customer's own living face.
func (w fixture) passes(t *testing.T) bank.Reply {
	t.Helper()
	c := w.begin(t)
	return w.engine.Finish(t, w.Phone, c, facetest.Good(c, w.photo))
}

// intentOf prepares a change on the phone of whoever is logged in there.
func intentOf(t *testing.T, phone *bank.Device) uuid.UUID {
	t.Helper()
	var in identitychangeprepare.Response
	phone.Call(t, identitychangeprepare.Function, "", map[string]any{"change": stepup.ChangeLoginPassword}).Into(t, &in)
	return in.IntentID
}

// Only a living face that does what was asked, and is that of the reference photo, passes.
func TestOnlyTheCustomersLivingFacePasses(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for name, tt := range map[string]struct {
		scene  func(*facesim.Scene)
		faults facesim.Faults
	}{
		"another person":            {scene: func(s *facesim.Scene) { s.Face = uuid.New() }},
		"a picture of the customer": {scene: func(s *facesim.Scene) { s.Photo = true }},
		"no action":                 {scene: func(s *facesim.Scene) { s.Does = nil }},
		"one action less":           {scene: func(s *facesim.Scene) { s.Does = s.Does[:2] }},
		"another order": {scene: func(s *facesim.Scene) {
			s.Does = []face.Action{s.Does[1], s.Does[0], s.Does[2]}
		}},
		"no liveness":                     {faults: facesim.Faults{NotLive: true}},
		"no match":                        {faults: facesim.Faults{NoMatch: true}},
		"an answer for another challenge": {faults: facesim.Faults{Lie: true}},
	} {
		w.Exec(t, "DELETE FROM face_attempt")
		c := w.begin(t)
		scene := facetest.Good(c, w.photo)
		if tt.scene != nil {
			tt.scene(&scene)
		}
		w.engine.SetFaults(tt.faults)
		got := w.engine.Finish(t, w.Phone, c, scene)
		if got.Code != "FACE_REJECTED" || got.Problem.TriesLeft == nil || *got.Problem.TriesLeft != 4 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
		w.engine.SetFaults(facesim.Faults{})
	}
	var reply identityfacefinish.Response
	w.passes(t).Into(t, &reply)
	n := w.Count(t, "SELECT count(*) FROM face_check WHERE state = 'passed' AND engine <> '' AND ended_at IS NOT NULL")
	if n != 1 || !reply.Passed {
		t.Errorf("%d checks have passed, the reply is %+v", n, reply)
	}
	req.Covers(t, "BIO-001.1", "BIO-001.3")
}

// The reference photo must be there, and young enough, at the beginning and at the end.
func TestTheReferencePhoto(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	aged := func(by time.Duration) {
		w.Exec(t, "UPDATE face_reference SET taken_at = $1", w.Clock.Now().Add(-by))
	}
	aged(facetest.MaxAge - time.Second)
	w.passes(t).Want(t, "")
	c := w.begin(t)
	aged(facetest.MaxAge)
	w.engine.Finish(t, w.Phone, c, facetest.Good(c, w.photo)).Want(t, "FACE_REFERENCE_MISSING")
	w.Exec(t, "DELETE FROM face_reference")
	w.engine.Finish(t, w.Phone, c, facetest.Good(c, w.photo)).Want(t, "FACE_REFERENCE_MISSING")
	w.photo = w.engine.Photo(t, w.Payer)
	w.engine.SetFaults(facesim.Faults{NoPhoto: true})
	w.engine.Finish(t, w.Phone, c, facetest.Good(c, w.photo)).Want(t, "FACE_REFERENCE_MISSING")
	w.engine.SetFaults(facesim.Faults{})
	if n := w.Count(t, "SELECT coalesce(sum(cardinality(failed)), 0) FROM face_attempt"); n != 0 {
		t.Errorf("%d failures are counted", n)
	}
	w.passes(t).Want(t, "")
	req.Covers(t, "BIO-001.2")
}

// A challenge is answered once, in time, and with a capture that is bound to it.
func TestAChallengeIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	first, second := w.begin(t), w.begin(t)
	captured := w.engine.Captured(t, first, facetest.Good(first, w.photo))
	other := identityfacefinish.Request{CheckID: second.ID, Capture: captured.Capture}
	w.Phone.Call(t, identityfacefinish.Function, "", other).Want(t, "FACE_REJECTED")
	w.Phone.Call(t, identityfacefinish.Function, "", captured).Want(t, "")
	w.Phone.Call(t, identityfacefinish.Function, "", captured).Want(t, "FACE_EXPIRED")
	unknown := identityfacefinish.Request{CheckID: uuid.New(), Capture: captured.Capture}
	w.Phone.Call(t, identityfacefinish.Function, "", unknown).Want(t, "FACE_EXPIRED")
	late, inTime := w.begin(t), w.begin(t)
	w.Advance(face.Life - time.Second)
	w.engine.Finish(t, w.Phone, inTime, facetest.Good(inTime, w.photo)).Want(t, "")
	w.Advance(time.Second)
	w.engine.Finish(t, w.Phone, late, facetest.Good(late, w.photo)).Want(t, "FACE_EXPIRED")
	one := w.begin(t)
	sent := w.engine.Captured(t, one, facetest.Good(one, w.photo))
	won := bank.Won(t, check.AtOnce(8, func(int) bank.Reply {
		return w.Phone.Call(t, identityfacefinish.Function, "", sent)
	}), "FACE_EXPIRED")
	if won != 1 {
		t.Errorf("one capture passed %d times", won)
	}
	req.Covers(t, "BIO-003.3", "BIO-010.1")
}

// A captured request is of no use on another device, in another channel, or for another
// customer.
func TestACaptureBelongsToItsCaller(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	c := w.begin(t)
	captured := w.engine.Captured(t, c, facetest.Good(c, w.photo))
	elsewhere := w.Device(t, "tablet-of-wang")
	elsewhere.LoginAs(t, w.Payer)
	elsewhere.Call(t, identityfacefinish.Function, "", captured).Want(t, "FACE_EXPIRED")
	w.engine.Photo(t, w.Payee)
	thief := w.Device(t, w.Phone.ID)
	thief.LoginAs(t, w.Payee)
	thief.Call(t, identityfacefinish.Function, "", captured).Want(t, "FACE_EXPIRED")
	again := w.Device(t, w.Phone.ID)
	again.LoginAs(t, w.Payer)
	again.Call(t, identityfacefinish.Function, "", captured).Want(t, "FACE_EXPIRED") // another channel
	w.Phone.LoginAs(t, w.Payer)
	w.Phone.Call(t, identityfacefinish.Function, "", captured).Want(t, "")
	req.Covers(t, "BIO-010.2")
}

// Five failures of a customer, over two channels and devices, suspend the customer's checks.
func TestFiveFailuresSuspendTheCustomer(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	spare := w.begin(t)
	for left := range 3 {
		got := w.engine.Try(t, w.Phone, w.intent)
		if got.Want(t, "FACE_REJECTED"); *got.Problem.TriesLeft != 4-left {
			t.Errorf("%d tries are left", *got.Problem.TriesLeft)
		}
	}
	tablet := w.Device(t, "tablet-of-wang")
	tablet.LoginAs(t, w.Payer)
	theirs := intentOf(t, tablet)
	good := w.engine.Begin(t, tablet, theirs)
	for range 2 {
		w.engine.Try(t, tablet, theirs).Want(t, "FACE_REJECTED")
	}
	refused := func(phone *bank.Device, c face.Challenge) {
		t.Helper()
		got := w.engine.Finish(t, phone, c, facetest.Good(c, w.photo))
		if got.Want(t, "FACE_SUSPENDED"); got.Problem.LockedUntil == nil {
			t.Error("the refusal does not tell the end of the suspension")
		}
	}
	refused(tablet, good)
	w.Phone.LoginAs(t, w.Payer)
	refused(w.Phone, spare)
	w.Redis.FlushAll() // the counts are not there
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	w.Phone.Call(t, identityfacebegin.Function, "", map[string]any{"intent_id": w.intent}).Want(t, "FACE_SUSPENDED")

	w.Advance(24*time.Hour - time.Second)
	w.Phone.Reopen(t)
	w.Phone.LoginAs(t, w.Payer)
	w.intent = intentOf(t, w.Phone)
	w.Phone.Call(t, identityfacebegin.Function, "", map[string]any{"intent_id": w.intent}).Want(t, "FACE_SUSPENDED")
	w.Advance(time.Second)
	w.passes(t).Want(t, "")
	req.Covers(t, "BIO-004.1")
}

// people are customers with a photo, each logged in on a device of the same name.
func (w fixture) people(t *testing.T, n int, deviceID string) (phones []*bank.Device, who []seed.Customer) {
	t.Helper()
	for i := range n {
		c := w.Customer(t, fmt.Sprint("客户", i), 1_00)
		check.Must(t, w.Seeder().SignUp(t.Context(), c, bank.LoginPassword, bank.TradePassword, "", nil))
		w.engine.Photo(t, c)
		phone := w.Device(t, deviceID)
		phone.LoginAs(t, c)
		phones, who = append(phones, phone), append(who, c)
	}
	return phones, who
}

// Five failures on a device, over several customers, suspend the device, and no customer.
func TestFiveFailuresSuspendTheDevice(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	phones, who := w.people(t, 6, "tablet-of-many")
	for _, phone := range phones[:5] {
		w.engine.Try(t, phone, intentOf(t, phone)).Want(t, "FACE_REJECTED")
	}
	w.Phone.LoginAs(t, w.Payer)
	w.passes(t).Want(t, "") // on a device of his own
	intent := intentOf(t, phones[5])
	phones[5].Call(t, identityfacebegin.Function, "", map[string]any{"intent_id": intent}).Want(t, "FACE_SUSPENDED")
	own := w.Device(t, "phone-of-the-sixth")
	own.LoginAs(t, who[5])
	w.engine.Try(t, own, intentOf(t, own)).Want(t, "FACE_REJECTED")
	req.Covers(t, "BIO-004.2")
}

// A stranger's own face does not clear the failures of a device for others, but a customer's
// success clears the customer's.
func TestASuccessClearsTheCustomerOnly(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for range 4 {
		w.engine.Try(t, w.Phone, w.intent).Want(t, "FACE_REJECTED")
	}
	w.passes(t).Want(t, "")
	got := w.engine.Try(t, w.Phone, w.intent)
	if got.Want(t, "FACE_REJECTED"); *got.Problem.TriesLeft != 0 {
		t.Errorf("%d tries are left on the device", *got.Problem.TriesLeft)
	}
	tablet := w.Device(t, "tablet-of-wang")
	tablet.LoginAs(t, w.Payer)
	got = w.engine.Try(t, tablet, intentOf(t, tablet))
	if got.Want(t, "FACE_REJECTED"); *got.Problem.TriesLeft != 3 {
		t.Errorf("%d tries are left of the customer", *got.Problem.TriesLeft)
	}
}

// Parallel attempts of one customer, or on one device, never get more than five tries.
func TestParallelAttemptsGetFiveTries(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	stranger := face.Reference{Handle: uuid.New()}
	five := func(what string, phone func(int) *bank.Device, intent func(int) uuid.UUID) {
		t.Helper()
		const tries = 12
		sent := make([]identityfacefinish.Request, tries)
		for i := range sent {
			c := w.engine.Begin(t, phone(i), intent(i))
			sent[i] = w.engine.Captured(t, c, facetest.Good(c, stranger))
		}
		before := w.engine.Calls()
		codes := map[string]int{}
		for _, r := range check.AtOnce(tries, func(i int) bank.Reply {
			return phone(i).Call(t, identityfacefinish.Function, "", sent[i])
		}) {
			codes[r.Code]++
		}
		if asked := w.engine.Calls() - before; asked != 5 || codes["FACE_REJECTED"] != 5 || codes["FACE_SUSPENDED"] != tries-5 {
			t.Errorf("%s: the engine was asked %d times; %v", what, asked, codes)
		}
	}
	five("one customer", func(int) *bank.Device { return w.Phone }, func(int) uuid.UUID { return w.intent })
	phones, _ := w.people(t, 12, "tablet-of-many")
	five("one device", func(i int) *bank.Device { return phones[i] }, func(i int) uuid.UUID { return intentOf(t, phones[i]) })
	req.Covers(t, "BIO-004.3")
}

// Without an answer that the bank can believe nothing passes, and nothing counts as a failure.
func TestNoAnswerOfTheEngine(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for name, faults := range map[string]facesim.Faults{
		"down": {Down: true}, "slow": {Delay: 2 * facetest.Wait}, "unsigned": {Unsigned: true}, "without a digest": {NoDigest: true},
	} {
		w.engine.SetFaults(faults)
		if got := w.passes(t); got.Code != "SERVICE_UNAVAILABLE" {
			t.Errorf("%s: %d %q", name, got.Status, got.Code)
		}
	}
	w.engine.SetFaults(facesim.Faults{})
	if n := w.Count(t, "SELECT coalesce(sum(cardinality(failed)), 0) FROM face_attempt"); n != 0 {
		t.Errorf("%d failures are counted", n)
	}
	if n := w.Count(t, "SELECT count(*) FROM face_check WHERE state = 'unanswered'"); n != 4 {
		t.Errorf("%d checks are unanswered", n)
	}
	w.passes(t).Want(t, "")
}

// A result of a withdrawn version of engine, SDK or model is not used, from the next check on.
func TestAWithdrawnVersion(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	for _, withdrawn := range []string{
		"engine=facesim/1", "sdk=facesim-sdk/1", "model=liveness-2026-11", "engine=facesim/0, model=liveness-2026-11",
	} {
		w.passes(t).Want(t, "")
		w.engine.Withdraw(t, withdrawn)
		if got := w.passes(t); got.Code != "SERVICE_UNAVAILABLE" {
			t.Errorf("%s: %d %q", withdrawn, got.Status, got.Code)
		}
		w.engine.Withdraw(t, "engine=facesim/0,sdk=facesim/1,model=liveness-2025-11")
	}
	w.passes(t).Want(t, "")
	if n := w.Count(t, "SELECT coalesce(sum(cardinality(failed)), 0) FROM face_attempt"); n != 0 {
		t.Errorf("%d failures are counted", n)
	}
	for _, wrong := range []string{"3.1.0", "engine=", "camera=1", "engine=1,,", " "} {
		if _, err := face.New(face.Config{Withdrawn: wrong}, w.Clock, nil); !errors.Is(err, face.ErrWithdrawn) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	req.Covers(t, "BIO-006.1")
}

// The database down is the answer SERVICE_UNAVAILABLE, and the engine is not asked.
func TestWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	engine := facetest.Start(t, b)
	phone := b.Device(t, "phone-of-wang")
	check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, uuid.New()))
	request := identityfacefinish.Request{CheckID: uuid.New(), Capture: []byte{0x30}}
	phone.Call(t, identityfacefinish.Function, "", request).Want(t, "SERVICE_UNAVAILABLE")
	if engine.Calls() != 0 {
		t.Error("the engine was asked")
	}
}

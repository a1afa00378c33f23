package facebegin_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	identityfacebegin "github.com/tidebank/tidebank/functions/identity/facebegin"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// A challenge has actions of a part of the face and of the whole face, chosen at random.
func TestActionsAreChosenAtRandom(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 1_00)
	engine := facetest.Start(t, p.Bank)
	engine.Photo(t, p.Payer)
	intent := p.PrepareChange(t, stepup.ChangeLoginPassword).IntentID
	lists, nonces, first := map[string]int{}, map[string]bool{}, map[face.Action]int{}
	const challenges = 120
	for range challenges {
		c := engine.Begin(t, p.Phone, intent)
		among := func(kind []face.Action) bool {
			return slices.ContainsFunc(c.Actions, func(a face.Action) bool { return slices.Contains(kind, a) })
		}
		sorted := slices.Compact(slices.Sorted(slices.Values(c.Actions)))
		if len(c.Actions) < 2 || len(sorted) != len(c.Actions) || !among(face.Partial()) || !among(face.Whole()) || len(c.Nonce) != 16 {
			t.Fatalf("%+v", c)
		}
		key := ""
		for _, a := range c.Actions {
			key += string(a) + " "
		}
		lists[key]++
		first[c.Actions[0]]++
		nonces[string(c.Nonce)] = true
	}
	// There are 54 lists. Each has a probability of at least 1/108.
	if len(lists) < 20 || len(nonces) != challenges || len(first) != 5 {
		t.Errorf("%d challenges have %d lists of actions and %d nonces; first %v", challenges, len(lists), len(nonces), first)
	}
	for list, n := range lists {
		if n > 15 {
			t.Errorf("%s came %d times", list, n)
		}
	}
	req.Covers(t, "BIO-003.1", "BIO-003.2")
}

// A check serves an open intent of the customer on this device.
func TestACheckServesAnOpenIntent(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 1_000_00)
	engine := facetest.Start(t, p.Bank)
	begin := func(phone *bank.Device, intent uuid.UUID) bank.Reply {
		t.Helper()
		return phone.Call(t, identityfacebegin.Function, "", identityfacebegin.Request{IntentID: intent})
	}
	in := p.Prepare(t, p.ToPayee(1_00))
	begin(p.Phone, in.IntentID).Want(t, "FACE_REFERENCE_MISSING")
	engine.Photo(t, p.Payer)
	engine.Photo(t, p.Payee)
	begin(p.Phone, uuid.New()).Want(t, "OBJECT_NOT_FOUND")
	other := p.Device(t, "phone-of-li")
	other.LoginAs(t, p.Payee)
	begin(other, in.IntentID).Want(t, "OBJECT_NOT_FOUND")
	tablet := p.Device(t, "tablet-of-wang")
	tablet.LoginAs(t, p.Payer)
	begin(tablet, in.IntentID).Want(t, "OBJECT_NOT_FOUND")
	p.Phone.LoginAs(t, p.Payer)
	var reply identityfacebegin.Response
	begin(p.Phone, in.IntentID).Into(t, &reply)
	if !reply.ExpiresAt.Equal(p.Clock.Now().Add(face.Life)) {
		t.Errorf("%+v", reply)
	}
	p.Confirm(t, p.Proved(t, in)).Want(t, "")
	begin(p.Phone, in.IntentID).Want(t, "INTENT_USED")
	late := p.PrepareChange(t, stepup.ChangeLoginPassword)
	p.Advance(10*time.Minute - time.Second)
	p.Phone.LoginAs(t, p.Payer)
	begin(p.Phone, late.IntentID).Want(t, "")
	p.Advance(time.Second)
	begin(p.Phone, late.IntentID).Want(t, "INTENT_EXPIRED")
}

// The database down is the answer SERVICE_UNAVAILABLE.
func TestWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	phone := b.Device(t, "phone-of-wang")
	check.Must(t, b.Host.Sessions.Start(t.Context(), phone.Channel, uuid.New()))
	phone.Call(t, identityfacebegin.Function, "", identityfacebegin.Request{IntentID: uuid.New()}).Want(t, "SERVICE_UNAVAILABLE")
}

package session_test

import (
	"testing"

	"github.com/google/uuid"
)

// A logout forgets its own login and no later one.
func TestLogoutForgetsItsOwnLoginOnly(t *testing.T) {
	t.Parallel()
	onBoth(t, logoutForgetsItsOwnLoginOnly)
}

func logoutForgetsItsOwnLoginOnly(t *testing.T, h hall) {
	customer := uuid.New()
	phone, pad := h.open(t, "phone"), h.open(t, "pad")
	must(t, h.End(t.Context(), phone.id)) // nobody is logged in
	must(t, h.Start(t.Context(), phone.id, customer))
	must(t, h.Start(t.Context(), pad.id, customer))
	must(t, h.End(t.Context(), phone.id)) // the displaced one
	pad.want(t, h.Store, customer.String())
	must(t, h.Start(t.Context(), phone.id, customer))
	pad.want(t, h.Store, "displaced") // its login was still known
	must(t, h.End(t.Context(), phone.id))
	must(t, h.End(t.Context(), phone.id))
	phone.want(t, h.Store, "nobody")
	must(t, h.Start(t.Context(), pad.id, customer))
	phone.want(t, h.Store, "nobody") // who logged out is told nothing
	must(t, h.Start(t.Context(), phone.id, customer))
	pad.want(t, h.Store, "displaced")
	phone.want(t, h.Store, customer.String())
}

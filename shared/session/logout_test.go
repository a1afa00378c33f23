package session_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/test/check"
)

// A logout forgets its own login and no later one.
func TestLogoutForgetsItsOwnLoginOnly(t *testing.T) {
	t.Parallel()
	onBoth(t, logoutForgetsItsOwnLoginOnly)
}

func logoutForgetsItsOwnLoginOnly(t *testing.T, h fixture) {
	customer := uuid.New()
	phone, pad := h.open(t, "phone"), h.open(t, "pad")
	check.Must(t, h.End(t.Context(), phone.id)) // nobody is logged in
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	check.Must(t, h.Start(t.Context(), pad.id, customer))
	check.Must(t, h.End(t.Context(), phone.id)) // the displaced one
	pad.want(t, h.Store, customer.String())
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	pad.want(t, h.Store, "displaced") // its login was still known
	check.Must(t, h.End(t.Context(), phone.id))
	check.Must(t, h.End(t.Context(), phone.id))
	phone.want(t, h.Store, "nobody")
	check.Must(t, h.Start(t.Context(), pad.id, customer))
	phone.want(t, h.Store, "nobody") // a customer who logged out is not told
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	pad.want(t, h.Store, "displaced")
	phone.want(t, h.Store, customer.String())
}

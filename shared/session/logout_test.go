package session_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
)

// The end of a customer's sessions ends the live login wherever it is, and no login of another
// customer or of later.
func TestEndCustomerEndsTheLiveLogin(t *testing.T) {
	t.Parallel()
	onBoth(t, endCustomerEndsTheLiveLogin)
}

func endCustomerEndsTheLiveLogin(t *testing.T, h fixture) {
	customer, other := uuid.New(), uuid.New()
	phone, pad := h.open(t, "phone"), h.open(t, "pad")
	check.Must(t, h.EndCustomer(t.Context(), customer)) // nobody is logged in
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	check.Must(t, h.Start(t.Context(), pad.id, other))
	for range 2 {
		check.Must(t, h.EndCustomer(t.Context(), customer))
		phone.want(t, h.Store, "nobody")
	}
	pad.want(t, h.Store, other.String())
	early, err := h.Number(t.Context(), customer)
	check.Must(t, err)
	check.Must(t, h.EndCustomer(t.Context(), customer))
	of := session.Login{CustomerID: customer}
	check.Must(t, h.StartNumbered(t.Context(), phone.id, of, early, session.Origin{})) // its number is of before the end
	phone.want(t, h.Store, "displaced")
	check.Must(t, h.Start(t.Context(), phone.id, customer))
	phone.want(t, h.Store, customer.String())
	check.Must(t, h.Start(t.Context(), phone.id, other)) // another customer on the same channel
	check.Must(t, h.EndCustomer(t.Context(), customer))
	phone.want(t, h.Store, other.String())
}

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

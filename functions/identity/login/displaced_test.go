package login_test

import (
	"net/http"
	"sync"
	"testing"

	accountoverview "github.com/tidebank/tidebank/functions/account/overview"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

// A customer who logs in elsewhere is told so at the next call on the first device. Of
// simultaneous logins one lives.
func TestCustomerIsToldOfALoginElsewhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "SESSION-003.2")
	b := bank.New(t)
	customer := b.Customer(t, "王小明", 100)
	phone, pad := b.Device(t, "phone"), b.Device(t, "pad")
	phone.LoginAs(t, customer)
	phone.Call(t, accountoverview.Function, "", struct{}{}).Want(t, "")
	pad.LoginAs(t, customer)
	reply := phone.Call(t, accountoverview.Function, "", struct{}{})
	reply.Want(t, "SESSION_DISPLACED")
	if reply.Status != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", reply.Status)
	}
	pad.Call(t, accountoverview.Function, "", struct{}{}).Want(t, "")

	for range 40 { // the steps of two logins interleave in many ways
		var logins sync.WaitGroup
		for _, device := range []*bank.Device{phone, pad} {
			logins.Go(func() {
				if err := b.Host.Sessions.Start(t.Context(), device.Channel, customer.ID); err != nil {
					t.Error(err)
				}
			})
		}
		logins.Wait()
		first := phone.Call(t, accountoverview.Function, "", struct{}{}).Status
		second := pad.Call(t, accountoverview.Function, "", struct{}{}).Status
		if first+second != http.StatusOK+http.StatusUnauthorized {
			t.Fatalf("after simultaneous logins: %d and %d, want one 200 and one 401", first, second)
		}
	}
}

package functions_test

import (
	"net/http"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

// Two instances of a function count a caller's requests together; while this caller
// has used up the rate at both, another customer's request is answered.
func TestInstancesCountOneRate(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LIMIT-007.4", "LIMIT-007.5")
	const limit = 240 // of most functions, in a minute
	b := bank.On(t, pgtest.New(t))
	b.Host.Limits.RateScale = 1
	f := functest.Named(t, "account-overview")
	var instances [2]handler.FunctionHandler
	for i := range instances {
		instances[i] = b.Instance(t, f)
	}
	customer := func(name, phone string) *bank.Device {
		d := b.Device(t, phone)
		d.LoginAs(t, b.Customer(t, name, 1_00))
		return d
	}
	loud, quiet := customer("王小明", "phone-of-wang"), customer("李四", "phone-of-li")
	call := func(d *bank.Device, instance handler.FunctionHandler) handler.Response {
		return bank.Handle(t, instance, d.Frame(t, f, "", struct{}{}), http.Header{})
	}
	for n := range limit {
		if got := call(loud, instances[n%2]).StatusCode; got != http.StatusOK {
			t.Fatalf("request %d of %d got %d", n+1, limit, got)
		}
	}
	for i, instance := range instances {
		over := call(loud, instance)
		if over.StatusCode != http.StatusTooManyRequests || over.Header.Get("Retry-After") != "65" {
			t.Errorf("instance %d: one more got %d, again in %q s", i, over.StatusCode, over.Header.Get("Retry-After"))
		}
		if got := call(quiet, instance).StatusCode; got != http.StatusOK {
			t.Errorf("instance %d: the other customer got %d", i, got)
		}
	}
}

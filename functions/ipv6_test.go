package functions_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions/audit"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// The audit record of a call holds the whole IPv6 address that it came from.
func TestAuditHoldsTheWholeIPv6Address(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-018.2")
	const address = "2001:db8:85a3:8d3:1319:8a2e:370:7348"
	p := newFixture(t)
	p.Phone.IP = address
	p.Phone.Call(t, functest.Named(t, "account-overview"), "", struct{}{}).Want(t, "")
	p.deliverAll(t)
	body := check.Value[[]byte](t, p.Host.DB.Pool(), "SELECT body FROM audit_record WHERE subject = 'account-overview'")
	var record audit.Record
	var access events.AccessRecorded
	check.Must(t, json.Unmarshal(body, &record))
	if err := json.Unmarshal(record.Data, &access); err != nil || access.IP != address {
		t.Errorf("recorded %q, %v", access.IP, err)
	}
}

// Before there is a channel, calls are counted by address. One IPv6 address that
// calls too often is refused, and the address of another network is not.
func TestRateIsOfOneIPv6Address(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-018.3")
	b := bank.New(t)
	b.Host.Limits.RateScale = 1
	open := b.Open(t, functest.Named(t, "channel-open"))
	from := func(address string) handler.Response {
		return bank.Handle(t, open, []byte("{}"), http.Header{"X-Forwarded-For": {address}})
	}
	const loud, quiet, limit = "2001:db8:0:1::1", "2001:db8:0:2::1", 600
	for n := range limit {
		if got := from(loud).StatusCode; got == http.StatusTooManyRequests {
			t.Fatalf("call %d of %d is one too many", n+1, limit)
		}
	}
	over := from(loud)
	if over.StatusCode != http.StatusTooManyRequests || over.Header.Get("Retry-After") != "65" {
		t.Errorf("call %d got %d, again in %q s", limit+1, over.StatusCode, over.Header.Get("Retry-After"))
	}
	if got := from(quiet).StatusCode; got == http.StatusTooManyRequests {
		t.Error("another address is refused too")
	}
}

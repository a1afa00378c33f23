package e2e

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/local"
	"github.com/tidebank/tidebank/test/req"
)

// The bank listens at an IPv6 address and no other: a customer signs up, logs in and
// reads the balance over it.
func TestOverIPv6Alone(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CLOUD-018.1")
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	}
	check.Must(t, l.Close())
	b := local.New(t)
	instance := b.StartOn(t, "::1")
	address := strings.TrimPrefix(instance.Dev().Base, "http://")
	if host, port, err := net.SplitHostPort(address); err != nil || net.ParseIP(host).To4() != nil {
		t.Fatalf("the bank listens at %s", address)
	} else if conn, err := net.DialTimeout("tcp4", net.JoinHostPort("127.0.0.1", port), time.Second); err == nil {
		_ = conn.Close()
		t.Fatal("the bank listens at an IPv4 address too")
	}
	app := b.Customer(t, instance)
	accounts := overview(t, app)
	detail, err := app.AccountDetail(t.Context(), client.AccountDetailRequest{AccountID: accounts[0].AccountID})
	check.Must(t, err)
	if detail.Balance == 0 || detail.Balance != accounts[0].Balance {
		t.Errorf("balance %v, in the overview %v", detail.Balance, accounts[0].Balance)
	}
	records := check.Count(t, b.DB.Pool(), `
SELECT count(*) FROM outbox WHERE data->>'ip' = '::1' AND data->>'function' = 'account-detail'`)
	if records != 1 {
		t.Errorf("%d calls are recorded as from ::1", records)
	}
}

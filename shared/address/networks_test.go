package address_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/address"
)

func TestNetworks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"none": 0, " none ": 0, "10.0.0.0/8": 1, "127.0.0.1": 1, "10.0.0.0/8, fd00::/8 ,192.0.2.1": 3,
	} {
		var n address.Networks
		if err := n.Decode(text); err != nil || len(n) != want {
			t.Errorf("%q: %v %v, want %d networks", text, n, err, want)
		}
	}
	for _, text := range []string{
		"", " ", "4", "-1", "10.0.0.0/8,", "none,10.0.0.0/8", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.0/33", "::ffff:10.0.0.0/104",
		"fe80::1%eth0", "10.0.0.0/8 192.0.2.1", "proxy.bank.example",
	} {
		var n address.Networks
		if err := n.Decode(text); !errors.Is(err, address.ErrNetworks) {
			t.Errorf("%q: %v %v, want a refusal", text, n, err)
		}
	}
}

// Whatever a client writes before them, the entries of the bank's proxies decide.
func FuzzClient(f *testing.F) {
	for _, claim := range []string{"", "10.0.0.9", "203.0.113.9, 10.0.0.9", ",,", `"`, strings.Repeat("10.0.0.1,", 600)} {
		f.Add(claim)
	}
	var proxies address.Networks
	if err := proxies.Decode("10.0.0.0/8, 127.0.0.1"); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, claim string) {
		if got := proxies.Client(claim + ",203.0.113.7, 10.0.0.2, 127.0.0.1"); got != "203.0.113.7" {
			t.Errorf("%q made it %q", claim, got)
		}
		got := proxies.Client(claim)
		if parsed, err := netip.ParseAddr(got); err != nil && got != address.Unknown || err == nil && parsed.String() != got {
			t.Errorf("%q: %q is not canonical", claim, got)
		}
	})
}

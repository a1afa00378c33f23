package address

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Networks are the networks of the bank's own proxies, each of which adds the address
// that it sees to X-Forwarded-For. The zero value holds none.
type Networks []netip.Prefix

// None is the text of no networks.
const None = "none"

// Form says how to write networks.
const Form = "`none`, or networks such as 10.0.0.0/8 with commas between them"

// ErrNetworks reports a text that Decode refuses.
var ErrNetworks = errors.New("not " + Form)

// Decode reads None, or networks and single addresses with commas between them. It
// refuses an address with bits outside of its network, and a network of all addresses:
// with that one, each client could invent its address.
func (n *Networks) Decode(text string) error {
	*n = nil
	if strings.TrimSpace(text) == None {
		return nil
	}
	for one := range strings.SplitSeq(text, ",") {
		network, err := parseNetwork(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		*n = append(*n, network)
	}
	return nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if single, notOne := netip.ParseAddr(text); notOne == nil && single.Zone() == "" {
		network, err = netip.PrefixFrom(single, single.BitLen()), nil
	}
	if err != nil || network != network.Masked() || network.Bits() == 0 || network.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%w: %q", ErrNetworks, text)
	}
	return network, nil
}

// Client returns the canonical address of the client: the last of the list, a value of
// X-Forwarded-For, that is in none of the networks. Each proxy has added the address
// that it saw, so the entries before this one may be inventions of the client. If all
// are in the networks, the caller is one of the bank's own, and the first counts.
func (n Networks) Client(list string) string {
	entries := strings.Split(list[max(0, len(list)-longestList):], ",")
	client := Unknown
	for i := len(entries) - 1; i >= 0; i-- {
		if client = Parse(entries[i]); !n.hold(client) {
			break
		}
	}
	return client
}

// longestList has room for the entries of all proxies that a bank can have. Of a longer
// list, Client reads only the end.
const longestList = 4096

func (n Networks) hold(canonical string) bool {
	parsed, err := netip.ParseAddr(canonical)
	if err != nil {
		return false
	}
	for _, network := range n {
		if network.Contains(parsed) {
			return true
		}
	}
	return false
}

// Package address reads the network addresses of clients, as proxies write them.
//
// A proxy may add a port, brackets or quotes, or write `unknown`. Parse takes all of
// these forms and returns one canonical text, at most 45 bytes long. Group returns the
// block that one client can choose addresses from, so counters can't be evaded: an
// IPv4 address itself, or the first 64 bits of an IPv6 address. Wider returns the larger
// blocks that one home or site can have.
package address

import (
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/tidebank/tidebank/shared/keys"
)

// Unknown is the canonical text of an address that nobody can read. All such callers
// share one counter.
const Unknown = "unknown"

// longest is the length of the longest address with zone, port, brackets and quotes.
const longest = 128

// Parse returns an address in its canonical form: without port, brackets, quotes and
// zone, and IPv4 in IPv6 as IPv4. It returns Unknown for any other text.
func Parse(text string) string {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if len(text) > longest {
		return Unknown
	}
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return canonical(withPort.Addr())
	}
	parsed, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		return Unknown
	}
	return canonical(parsed)
}

func canonical(a netip.Addr) string { return a.Unmap().WithZone("").String() }

// Key names an address in keys of Redis, so that no address stands there in clear: one
// name for all addresses that one client can have.
func Key(ring *keys.Ring, ip string) string {
	return hex.EncodeToString(ring.BlindIndex("ip", Group(ip))[:8])
}

// Group returns the text that counts for an address of Parse: the block of 64 bits of
// an IPv6 address, because one client commands the whole block.
func Group(canonical string) string {
	if group := block(canonical, 64); group != "" {
		return group
	}
	return canonical
}

// Wider returns the blocks of 56 and of 48 bits of an IPv6 address of Parse, because
// networks give blocks of these sizes to one home or one site. It returns nothing for
// other addresses.
func Wider(canonical string) (home, site string) { return block(canonical, 56), block(canonical, 48) }

func block(canonical string, bits int) string {
	parsed, err := netip.ParseAddr(canonical)
	if err != nil || !parsed.Is6() {
		return ""
	}
	return netip.PrefixFrom(parsed, bits).Masked().String()
}

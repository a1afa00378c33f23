package address_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/address"
)

func TestParseAndGroup(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want, group string }{
		{"203.0.113.7", "203.0.113.7", "203.0.113.7"},
		{" 203.0.113.7 ", "203.0.113.7", "203.0.113.7"},
		{"203.0.113.7:4711", "203.0.113.7", "203.0.113.7"},
		{`"203.0.113.7:4711"`, "203.0.113.7", "203.0.113.7"},
		{"2001:db8::7", "2001:db8::7", "2001:db8::/64"},
		{"2001:DB8:0:0::7", "2001:db8::7", "2001:db8::/64"},
		{"[2001:db8::7]", "2001:db8::7", "2001:db8::/64"},
		{`"[2001:db8:1:2:3::7]:4711"`, "2001:db8:1:2:3::7", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::1", "fe80::/64"},
		{"::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7"},
		{"[::ffff:203.0.113.7]:80", "203.0.113.7", "203.0.113.7"},
		{"unknown", address.Unknown, address.Unknown},
		{"", address.Unknown, address.Unknown},
		{"_hidden", address.Unknown, address.Unknown},
		{"203.0.113.007", address.Unknown, address.Unknown},
		{"203.0.113.7 203.0.113.8", address.Unknown, address.Unknown},
		{"<script>", address.Unknown, address.Unknown},
		{strings.Repeat("1", 5000), address.Unknown, address.Unknown},
		{"fe80::1%" + strings.Repeat("z", 5000), address.Unknown, address.Unknown},
	} {
		if got := address.Parse(tt.text); got != tt.want || address.Group(got) != tt.group {
			t.Errorf("%.60q: %q in %q, want %q in %q", tt.text, got, address.Group(got), tt.want, tt.group)
		}
	}
}

func TestWider(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ ip, home, site string }{
		{"2001:db8:1:2ff::7", "2001:db8:1:200::/56", "2001:db8:1::/48"},
		{"203.0.113.7", "", ""},
		{address.Unknown, "", ""},
	} {
		if home, site := address.Wider(tt.ip); home != tt.home || site != tt.site {
			t.Errorf("%s: %q and %q, want %q and %q", tt.ip, home, site, tt.home, tt.site)
		}
	}
}

// Every text has a short canonical form, which is its own canonical form.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`"[2001:db8::7%x]:80"`, "203.0.113.7", "unknown", "::ffff:1.2.3.4", "[", `"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := address.Parse(text)
		if again := address.Parse(got); again != got || len(got) > 45 {
			t.Errorf("%q becomes %q, and that becomes %q", text, got, again)
		}
		if _, err := netip.ParseAddr(got); err != nil && got != address.Unknown {
			t.Errorf("%q becomes %q", text, got)
		}
		if group := address.Group(got); len(group) > 48 || group == "" {
			t.Errorf("%q counts as %q", text, group)
		}
	})
}

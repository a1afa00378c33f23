package fn_test

import (
	"context"
	"net/http"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
)

// A deprecated function says so in each answer, sealed or not, good or refused. Other
// functions say nothing.
func TestADeprecatedFunctionSaysSo(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	phone := b.Device(t, "phone")
	for name, tt := range map[string]struct {
		deprecated fn.Deprecation
		want       map[string]string
	}{
		"all": {
			fn.Deprecation{Since: "2026-12-01", Sunset: "2027-06-30", Successor: "test-newer"},
			map[string]string{
				"Deprecation": "@1796054400", "Sunset": "Tue, 29 Jun 2027 16:00:00 GMT",
				"Link": `</function/test-newer>; rel="successor-version"`,
			},
		},
		"since":   {fn.Deprecation{Since: "2026-12-01"}, map[string]string{"Deprecation": "@1796054400"}},
		"nothing": {fn.Deprecation{}, map[string]string{}},
	} {
		for _, refused := range []bool{false, true} {
			f := declare("test-deprecated-"+name, func(s *fn.Spec) { s.Deprecated = tt.deprecated },
				func(context.Context, given, struct{}) (struct{}, error) {
					if refused {
						return struct{}{}, bankerr.ErrNotFound
					}
					return struct{}{}, nil
				})
			b.Forget(f)
			for what, header := range map[string]http.Header{
				"sealed":   phone.Call(t, f, "", struct{}{}).Header,
				"in clear": bank.Handle(t, b.Open(t, f), []byte("x"), http.Header{}).Header,
			} {
				got := map[string]string{}
				for _, key := range []string{"Deprecation", "Sunset", "Link"} {
					if value := header.Get(key); value != "" {
						got[key] = value
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s, %s, refused %v (-want +got):\n%s", name, what, refused, diff)
				}
			}
		}
	}
}

// The API's version is two numbers.
func TestAPIVersion(t *testing.T) {
	t.Parallel()
	if !regexp.MustCompile(`^[1-9]\d*\.\d+$`).MatchString(fn.APIVersion) {
		t.Errorf("%q", fn.APIVersion)
	}
}

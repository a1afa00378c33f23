package cert_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/test/bank"
)

// A list marks what it names, for good, and only certificates of its own authority. Lists that
// are not of the authority, or have ended, are not kept.
func TestListsMarkWhatTheAuthorityHasRevoked(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	wang := b.Customer(t, "王小明")
	b.SoftUKey(t, wang, cert.InApp) // stays good
	bad, other := b.SoftUKey(t, wang, cert.InApp), b.SoftUKey(t, wang, cert.InApp)
	serial := bad.Certificate.Serial()
	b.Exec(t, "UPDATE certificate SET serial = $1, chain = ARRAY[der] WHERE serial = $2", serial, other.Certificate.Serial())
	revoked := func() int { return b.Count(t, "SELECT count(*) FROM certificate WHERE revoked_at IS NOT NULL") }
	if n := revoked(); n != 0 {
		t.Fatalf("%d certificates are revoked", n)
	}
	b.Authority(t).Revoke(serial)
	for _, faults := range []casim.Faults{{Foreign: true}, {Expired: true}, {Down: true}} {
		b.Authority(t).SetFaults(faults)
		if err := b.TryRelist(t); !errors.Is(err, bankerr.ErrUnavailable) || revoked() != 0 {
			t.Errorf("%+v: %v, %d are revoked", faults, err, revoked())
		}
	}
	b.Authority(t).SetFaults(casim.Faults{})
	b.Relist(t)
	at := b.Clock.Now()
	b.Advance(time.Minute)
	b.Relist(t)
	if n := b.Count(t, "SELECT count(*) FROM certificate WHERE revoked_at = $1 AND serial = $2 AND der = $3", at, serial,
		bad.Certificate.DER()); n != 1 || revoked() != 1 {
		t.Errorf("%d certificates are revoked", revoked())
	}
	if n := b.Count(t, "SELECT count(*) FROM revocation_list"); n != 2 { // the first, and the one with a serial
		t.Errorf("%d lists are kept", n)
	}
	if n := b.Count(t, "SELECT count(*) FROM revocation_list WHERE got_at = $1", b.Clock.Now()); n != 1 {
		t.Errorf("%d lists are of now", n)
	}
}

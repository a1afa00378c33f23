package sessionresume_test

import (
	"testing"
	"time"

	identitysessionresume "github.com/tidebank/tidebank/functions/identity/sessionresume"
	"github.com/tidebank/tidebank/test/bank"
)

// A resume is activity: it begins the idle time of ten minutes anew. It does not bring a
// session back that has ended, also if Redis has lost it.
func TestAResumeIsActivity(t *testing.T) {
	t.Parallel()
	p := bank.NewPair(t, 0)
	for range 3 {
		p.Advance(9 * time.Minute)
		p.Phone.Call(t, identitysessionresume.Function, "", struct{}{}).Want(t, "")
	}
	p.Advance(10 * time.Minute)
	for range 2 {
		p.Phone.Call(t, identitysessionresume.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
	}
	p.Phone.LoginAs(t, p.Payer)
	p.Phone.Call(t, identitysessionresume.Function, "", struct{}{}).Want(t, "")
	p.Redis.FlushAll()
	p.Phone.Call(t, identitysessionresume.Function, "", struct{}{}).Want(t, "CHANNEL_EXPIRED")
}

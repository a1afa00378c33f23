package chaos

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

// Redis loses everything in the middle of confirms: sessions end, and nothing
// else. An order that had been carried out answers the same after the customer
// has come back, its proofs stay used, and the books are sound.
func TestRedisFlushed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-013.1")
	p := bank.NewPair(t, 1_000_00)
	const count = 20
	requests := make([]stepup.Confirmation, count)
	for i := range requests {
		in := p.Prepare(t, p.ToOwn(10_00))
		requests[i] = stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{p.Signed(t, in)}}
	}
	keys := make([]string, count)
	codes := make([]string, count)
	var calls sync.WaitGroup
	for i := range requests {
		keys[i] = uuid.NewString()
		calls.Go(func() { codes[i] = p.Phone.Call(t, transferconfirm.Function, keys[i], requests[i]).Code })
		if i == count/2 {
			p.Redis.FlushAll()
		}
	}
	calls.Wait()
	p.Phone.Call(t, transferconfirm.Function, "after", requests[0]).Want(t, "CHANNEL_EXPIRED")
	p.Phone.Reopen(t)
	p.Phone.Call(t, transferconfirm.Function, "after", requests[0]).Want(t, "SESSION_REQUIRED")

	p.Phone.LoginAs(t, p.Payer)
	p.Advance(time.Second)
	for i := range requests {
		switch codes[i] {
		case "", "CHANNEL_EXPIRED", "SESSION_REQUIRED":
		default:
			t.Errorf("confirm %d: %s", i, codes[i])
		}
		// Under its key the order is carried out now, or was before.
		p.Phone.Call(t, transferconfirm.Function, keys[i], requests[i]).Want(t, "")
		p.Phone.Call(t, transferconfirm.Function, uuid.NewString(), requests[i]).Want(t, "INTENT_USED")
	}
	p.CheckLedger(t)
	if balance := p.Balance(t, p.Payer.AccountIDs[1]); balance != count*10_00 {
		t.Errorf("balance %v after %d transfers of 10.00", balance, count)
	}
}

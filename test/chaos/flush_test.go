package chaos

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/sm"
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
	b := bank.New(t)
	who := b.Customer(t, "王小明", 1_000_00, 0)
	phone := b.Device(t, "device-flushed")
	phone.LoginAs(t, who)

	const count = 20
	requests := make([]transferconfirm.Request, count)
	for i := range requests {
		var in transferprepare.Response
		phone.Call(t, transferprepare.Function, uuid.NewString(), map[string]any{
			"debit_account_id": who.AccountIDs[0], "payee_account_id": who.AccountIDs[1], "amount_fen": 10_00,
		}).Into(t, &in)
		signature, err := sm.Sign(phone.Key, []byte(in.Text))
		must(t, err)
		requests[i].IntentID = in.IntentID
		requests[i].Proofs = []stepup.Proof{{Factor: stepup.DeviceKey, Signature: signature}}
	}
	keys := make([]string, count)
	codes := make([]string, count)
	var calls sync.WaitGroup
	for i := range requests {
		keys[i] = uuid.NewString()
		calls.Go(func() { codes[i] = phone.Call(t, transferconfirm.Function, keys[i], requests[i]).Code })
		if i == count/2 {
			b.Redis.FlushAll()
		}
	}
	calls.Wait()
	phone.Call(t, transferconfirm.Function, "after", requests[0]).Want(t, "CHANNEL_EXPIRED")
	phone.Reopen(t)
	phone.Call(t, transferconfirm.Function, "after", requests[0]).Want(t, "SESSION_REQUIRED")

	phone.LoginAs(t, who)
	b.Advance(time.Second)
	for i := range requests {
		switch codes[i] {
		case "", "CHANNEL_EXPIRED", "SESSION_REQUIRED":
		default:
			t.Errorf("confirm %d: %s", i, codes[i])
		}
		phone.Call(t, transferconfirm.Function, keys[i], requests[i]).Want(t, "") // the same key: carried out once, now or before
		phone.Call(t, transferconfirm.Function, uuid.NewString(), requests[i]).Want(t, "INTENT_EXPIRED")
	}
	bank.Books(t, b.Host.DB, b.Host.Keys)
	var balance money.Fen
	must(t, b.Host.DB.Pool().QueryRow(t.Context(), "SELECT balance FROM account WHERE id = $1", who.AccountIDs[1]).Scan(&balance))
	if balance != count*10_00 {
		t.Errorf("balance %v after %d transfers of 10.00", balance, count)
	}
}

package confirm_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	transferconfirm "github.com/tidebank/tidebank/functions/transfer/confirm"
	"github.com/tidebank/tidebank/shared/ledger"
)

// The memo stands in clear in no table: not in the intent, the transfer, the entries or
// the stored answer. Both parties' statements show it, and each sealed memo opens only
// in its own entry.
func TestTheMemoRestsSealed(t *testing.T) {
	t.Parallel()
	w := newFixture(t, 100_00)
	order := w.proofs(t, w.prepare(t, 1_00))
	var first, again transferconfirm.Response
	w.Phone.Call(t, transferconfirm.Function, "key", order).Into(t, &first)
	w.Phone.Call(t, transferconfirm.Function, "key", order).Into(t, &again)
	if first.Memo != "房租" || again != first {
		t.Errorf("the answer is %+v, and again %+v", first, again)
	}
	for line := range strings.Lines(w.Stored(t)) {
		if strings.Contains(line, "房租") {
			t.Errorf("the memo stands in clear: %s", line)
		}
	}
	memo := func(account uuid.UUID) (string, error) {
		list, err := ledger.Entries(t.Context(), w.Host.DB.Reader(), w.Host.Keys, ledger.EntryQuery{
			AccountID: account, From: w.Clock.Now().AddDate(0, 0, -1), To: w.Clock.Now().AddDate(0, 0, 1), Limit: 1,
		})
		if err != nil || len(list) != 1 || list[0].PostingID != first.TransferID {
			return "", err
		}
		return list[0].Memo, nil
	}
	payer, payee := w.Payer.AccountIDs[0], w.Payee.AccountIDs[0]
	for _, account := range []uuid.UUID{payer, payee} {
		if got, err := memo(account); err != nil || got != "房租" {
			t.Errorf("the statement shows %q, %v", got, err)
		}
	}
	w.Exec(t, `
ALTER TABLE entry DISABLE TRIGGER ALL;
UPDATE entry SET memo_ct = (SELECT memo_ct FROM entry WHERE account_id = '`+payer.String()+`' AND memo_ct <> '')
 WHERE account_id = '`+payee.String()+`'`)
	if got, err := memo(payee); err == nil {
		t.Errorf("a memo that was moved to another entry opens as %q", got)
	}
}

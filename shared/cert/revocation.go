package cert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	sqlListKeep = `-- revocation_list.keep
INSERT INTO revocation_list (digest, authority, der, made_at, valid_until, got_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (digest) DO UPDATE SET got_at = EXCLUDED.got_at`

	// A certificate that a list has named once stays revoked.
	sqlRevoked = `-- certificate.revoked
UPDATE certificate SET revoked_at = $1 WHERE chain[1] = $2 AND serial = ANY ($3) AND revoked_at IS NULL`
)

// ListLife is how long a list is good after the authority has last answered with it, unless the
// list itself ends before.
const ListLife = 10 * time.Minute

var errChain = errors.New("the authority's list has no chain")

// lists is the authority's answer with the lists of its authorities that issue certificates.
type lists struct {
	Lists []struct {
		List  []byte   `json:"crl"`
		Chain [][]byte `json:"chain"` // the authority that has signed the list, and those between it and the root
	} `json:"lists"`
}

// Relist fetches the lists of revoked certificates from the authority, keeps them, and marks the
// certificates that they name. A list that the roots do not lead to, or that has ended, counts as
// no answer. It returns SERVICE_UNAVAILABLE if the authority does not answer in time; the lists
// before stay good for ListLife.
func (a *Authority) Relist(ctx context.Context, db *pg.DB) error {
	var answer lists
	if err := a.ask(ctx, "revocations", struct{}{}, maxLists, &answer); err != nil {
		return bankerr.ErrUnavailable.Because(err)
	}
	now := a.clock.Now()
	var unit pg.Unit
	for _, got := range answer.Lists {
		if len(got.Chain) == 0 {
			return bankerr.ErrUnavailable.Because(errChain)
		}
		list, err := a.roots.Revocations(got.List, got.Chain[0], got.Chain[1:], now)
		if err != nil {
			return because(bankerr.ErrUnavailable, err)
		}
		unit.Add(pg.Statement{SQL: sqlListKeep, Args: []any{
			sm.Digest(list.DER()), got.Chain[0], list.DER(), list.Made(), list.Until(), now,
		}})
		unit.Add(pg.Statement{SQL: sqlRevoked, Args: []any{now, got.Chain[0], list.Serials()}})
	}
	if unit.Empty() {
		return nil
	}
	if err := db.Commit(ctx, &unit); err != nil {
		return fmt.Errorf("keep revocation lists: %w", err)
	}
	return nil
}

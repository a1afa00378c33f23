package cert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

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
UPDATE certificate SET revoked_at = coalesce(revoked_at, $1), listed = true
 WHERE chain[1] = $2 AND serial = ANY ($3) AND NOT listed`

	// In any order: certificates that the authority refuses to revoke keep no others back.
	sqlUnlisted = `-- certificate.unlisted
SELECT serial, chain[1] FROM certificate WHERE revoked_at IS NOT NULL AND NOT listed AND valid_until > $1
 ORDER BY random() LIMIT $2`
)

// ListLife is how long a list is good after the authority has last answered with it, unless the
// list itself ends before.
const ListLife = 10 * time.Minute

// maxTold bounds how many certificates one round tells the authority.
const maxTold = 20

var errChain = errors.New("the authority's list has no chain")

// lists is the authority's answer with the lists of its authorities that issue certificates.
type lists struct {
	Lists []struct {
		List  []byte   `json:"crl"`
		Chain [][]byte `json:"chain"` // the authority that has signed the list, and those between it and the root
	} `json:"lists"`
}

// RevokeAll adds to the unit the statement that revokes the customer's valid certificates. The
// commit returns refused if there is none. Relist tells the authority.
func RevokeAll(unit *pg.Unit, customer uuid.UUID, now time.Time, refused error) {
	unit.Add(pg.Statement{
		Call: "certificate_revoke_all", Args: []any{customer, now}, Refuse: map[string]error{"CERT_NONE": refused},
	})
}

// Revoked names a certificate that the bank asks the authority to revoke.
type Revoked struct {
	Serial    string `json:"serial"`    // lower-case hex
	Authority []byte `json:"authority"` // that has issued it, X.509, DER
}

// tell asks the authority to revoke what the bank has revoked, and no list names yet. The
// authority revokes a certificate once, and answers a repetition as it did.
func (a *Authority) tell(ctx context.Context, db *pg.DB) error {
	rows, err := db.Reader().Query(ctx, sqlUnlisted, a.clock.Now(), maxTold)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Revoked])
	if err != nil {
		return err //nolint:wrapcheck // the Reader's rows wrap it
	}
	var failed error
	for _, one := range list {
		if err := a.ask(ctx, "certificates/revoke", one, maxCertificate, &struct{}{}); err != nil {
			failed = bankerr.ErrUnavailable.Because(err)
		}
	}
	return failed
}

// Relist fetches the authority's lists of revoked certificates, keeps them, and marks the certificates
// that they name. Then it tells the authority what the bank has revoked. A list that the roots do not lead to, or that has ended, counts as
// no answer. It returns SERVICE_UNAVAILABLE if the authority does not answer in time; the lists
// before stay good for ListLife.
func (a *Authority) Relist(ctx context.Context, db *pg.DB) error {
	if err := a.fetchLists(ctx, db); err != nil { // first: an authority that hangs when it is told must not stop the lists
		return err
	}
	return a.tell(ctx, db)
}

func (a *Authority) fetchLists(ctx context.Context, db *pg.DB) error {
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

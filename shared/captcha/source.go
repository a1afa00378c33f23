package captcha

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
)

const (
	sqlSourceAdmit = `-- login_source.admit
SELECT login_source_admit($1, $2, $3, $4)`

	sqlSourceFail = `-- login_source.fail
SELECT login_source_fail($1, $2, $3, $4)`

	sqlSourcePrune = `-- login_source.prune
DELETE FROM login_source WHERE source IN (
    SELECT source FROM login_source WHERE last_at < $2::timestamptz AND (blocked_until IS NULL OR blocked_until < $2) LIMIT $1)`
)

// Attempts commits statements that count attempts (fn.Call).
type Attempts interface {
	CountAttempts(ctx context.Context, batch *pgx.Batch) error
}

// sources are the keyed digests by which an address and its network count: the block of 24 bits of an IPv4 address, of 48 bits
// of an IPv6 address.
func sources(ring *keys.Ring, ip string) (own, network []byte) {
	return ring.BlindIndex("login source", address.Group(ip)), ring.BlindIndex("login network", address.Network(ip))
}

// admitSource refuses an attempt with RATE_LIMITED from an address or network that is slowed or blocked, because it has failed
// for too many accounts. The counts are in the database, so that losing Redis gives nobody new tries. The customer's own bound
// device is never refused: whoever shares a network with a robot still logs in.
func (s *Store) admitSource(ctx context.Context, call Attempts, db pg.Reader, from Caller) error {
	var batch pgx.Batch
	wait := 0
	own, network := sources(s.ring, from.IP)
	batch.Queue(sqlSourceAdmit, own, network, from.Now, clock.BusinessDay(from.Now)).QueryRow(func(row pgx.Row) error {
		return row.Scan(&wait)
	})
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return fmt.Errorf("source of a login: %w", err)
	}
	if wait == 0 {
		return nil
	}
	known, err := device.Known(ctx, db, from.Name, from.Origin)
	if err != nil || known {
		return err
	}
	return session.ErrRateLimited.WithRetryAfter(time.Duration(wait) * time.Second)
}

// CountFailure counts a failed log-in, sign-up or reset against the network address of the caller: in Redis for the graphic
// code (Admit), and in the database.
func (s *Store) CountFailure(ctx context.Context, call Attempts, from Caller) error {
	if err := s.countSuspicion(ctx, from.IP); err != nil {
		return err
	}
	var batch pgx.Batch
	own, network := sources(s.ring, from.IP)
	batch.Queue(sqlSourceFail, own, network, from.Now, clock.BusinessDay(from.Now))
	if err := call.CountAttempts(ctx, &batch); err != nil {
		return fmt.Errorf("failure of a source: %w", err)
	}
	return nil
}

// Retention keeps the failures of a source for two days.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "login_source", Keep: 2 * 24 * time.Hour, SQL: sqlSourcePrune,
		Why: "Failures of an address count for an hour, and block it for an hour.",
	}
}

package sms

import (
	"context"
	"fmt"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Quota bounds the notices of one kind to one phone, in any minute and in any 24 hours.
// So one customer can't use up the bank's budget. Each kind counts alone: whoever pays a
// customer many small sums can't silence the notices of what leaves the account. Whoever
// sends the notices divides them into kinds.
type Quota struct {
	class  Class
	digest []byte
}

// NewQuota returns the quota of a kind of texts to a phone, by the phone's blind index.
func NewQuota(class Class, kind string, phone []byte) Quota {
	zero := []byte{0}
	return Quota{class: class, digest: sm.Digest([]byte(class), zero, []byte(kind), zero, phone)}
}

const (
	sqlQuotaLeft = `-- sms_quota.left
SELECT count(*) FILTER (WHERE at > $2::timestamptz - interval '1 minute')
           < policy_value('sms.phone_minute_' || $3::text || '_max', $4)
   AND count(*) FILTER (WHERE at > $2::timestamptz - interval '24 hours')
           < policy_value('sms.phone_day_' || $3::text || '_max', $4)
  FROM sms_quota, unnest(sent) AS at WHERE quota = $1`

	sqlQuotaCount = `-- sms_quota.count
INSERT INTO sms_quota AS q (quota, sent, last_at) VALUES ($1, ARRAY[$2::timestamptz], $2)
ON CONFLICT (quota) DO UPDATE
   SET sent = ARRAY(SELECT at FROM unnest(q.sent) AS at WHERE at > $2::timestamptz - interval '24 hours') || $2::timestamptz,
       last_at = greatest(q.last_at, $2::timestamptz)`

	sqlQuotaPrune = `-- sms_quota.prune
DELETE FROM sms_quota WHERE quota IN (SELECT quota FROM sms_quota WHERE last_at < $2::timestamptz LIMIT $1)`

	sqlCountOver = `-- sms_use.count_over
INSERT INTO sms_use AS u (span, starts_at, codes, notices, over_quota) VALUES ('day', $1, 0, 0, 1)
ON CONFLICT (span, starts_at) DO UPDATE SET over_quota = u.over_quota + 1`

	sqlOverQuota = `-- sms_use.over_quota
SELECT coalesce(sum(over_quota), 0)::float8 FROM sms_use WHERE span = 'day' AND starts_at >= now() - interval '1 day'`
)

// Left reports whether the quota has room for a text. Whoever sends the text counts it
// afterwards (Count). So texts that are sent at the same moment can pass the bound by
// as many as are under way.
func (q Quota) Left(ctx context.Context, db pg.Reader, at time.Time) (bool, error) {
	var left bool
	err := db.QueryRow(ctx, sqlQuotaLeft, q.digest, at, string(q.class), clock.BusinessDay(at)).Scan(&left)
	if err != nil {
		return false, fmt.Errorf("sms quota: %w", err)
	}
	return left, nil
}

// Count counts a text that the gateway has taken, or that is recorded as refused.
func (q Quota) Count(ctx context.Context, to pg.Writer, at time.Time) error {
	return to.Write(ctx, pg.Statement{SQL: sqlQuotaCount, Args: []any{q.digest, at}})
}

// CountOver counts a text that is not sent, because its quota has no room.
func CountOver(ctx context.Context, to pg.Writer, at time.Time) error {
	day, _ := spans(at)
	return to.Write(ctx, pg.Statement{SQL: sqlCountOver, Args: []any{day}})
}

package sms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/pg"
)

// Class decides which part of the budget a text may use.
type Class string

// The classes.
const (
	Codes   Class = "codes"   // one-time codes may use the whole budget
	Notices Class = "notices" // all other texts may use their own part of it
)

// ErrExhausted refuses a text because the bank's budget of texts is used up.
var ErrExhausted = bankerr.New(bankerr.TooMany, "SMS_EXHAUSTED")

// ErrDay is a cause of ErrExhausted: the budget of the day is used up.
var ErrDay = errors.New("the day's budget of texts is used up")

var errMinute = errors.New("the minute's budget of texts is used up")

const (
	sqlBudget = `-- sms_use.budget
SELECT s.span, policy_value('sms.' || s.span || '_max', $1), policy_value('sms.' || s.span || '_notices_max', $1),
       coalesce(u.codes, 0), coalesce(u.notices, 0)
  FROM (VALUES ('day', $2::timestamptz), ('minute', $3::timestamptz)) AS s (span, starts_at)
  LEFT JOIN sms_use u USING (span, starts_at)`

	// Rows are locked in one order: the day first.
	sqlCount = `-- sms_use.count
INSERT INTO sms_use AS u (span, starts_at, codes, notices) VALUES ('day', $1, $3, $4), ('minute', $2, $3, $4)
ON CONFLICT (span, starts_at) DO UPDATE SET codes = u.codes + excluded.codes, notices = u.notices + excluded.notices`

	sqlUsePrune = `-- sms_use.prune
DELETE FROM sms_use WHERE (span, starts_at) IN (
    SELECT span, starts_at FROM sms_use WHERE starts_at < now() - $2::interval LIMIT $1)`

	sqlUsedShare = `-- sms_use.used_share
SELECT coalesce(max((codes + notices)::float8 / policy_value('sms.' || span || '_max', (now() AT TIME ZONE 'Asia/Shanghai')::date)), 0)
  FROM sms_use
 WHERE span = 'minute' AND starts_at >= now() - interval '1 minute'
    OR span = 'day' AND starts_at >= now() - interval '1 day'`
)

// spans returns the start of the business day and of the minute.
func spans(at time.Time) (day, minute time.Time) {
	y, m, d := at.In(clock.Shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, clock.Shanghai), at.Truncate(time.Minute)
}

// CheckBudget refuses a text with ErrExhausted if the budget of its minute or of its
// business day is used up. The refusal says when the budget begins anew. Whoever sends
// the text counts it afterwards (Count). So texts that are sent at the same moment can
// pass the bound by as many as are under way.
func CheckBudget(ctx context.Context, db pg.Reader, class Class, at time.Time) error {
	day, minute := spans(at)
	rows, err := db.Query(ctx, sqlBudget, clock.BusinessDay(at), day, minute)
	if err != nil {
		return err
	}
	var span string
	var most, noticesMost, codes, notices int64
	var refused error
	_, err = pgx.ForEachRow(rows, []any{&span, &most, &noticesMost, &codes, &notices}, func() error {
		left := codes+notices < most && (class == Codes || notices < noticesMost)
		switch {
		case left:
		case span == "day":
			refused = ErrExhausted.Because(ErrDay).WithRetryAfter(clock.UntilNextDay(at))
		case refused == nil:
			refused = ErrExhausted.Because(errMinute).WithRetryAfter(minute.Add(time.Minute).Sub(at))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sms budget: %w", err)
	}
	return refused
}

// Count counts a text that the gateway has taken.
func Count(ctx context.Context, to pg.Writer, class Class, at time.Time) error {
	day, minute := spans(at)
	codes, notices := 0, 1
	if class == Codes {
		codes, notices = 1, 0
	}
	return to.Write(ctx, pg.Statement{SQL: sqlCount, Args: []any{day, minute, codes, notices}})
}

// Retention keeps the counts for 40 days.
func Retention() pg.Retention {
	return pg.Retention{
		Table: "sms_use", Keep: 40 * 24 * time.Hour, SQL: sqlUsePrune,
		Why: "A budget is of a minute or of a day; the counts of a month serve to check the gateway's bill.",
	}
}

// Observe registers the used part of the budget of texts: 1 means that codes are
// refused.
func Observe(db *pg.DB, registry prometheus.Registerer) {
	db.Gauge(registry, "tidebank_sms_budget_used", "Used part of the budget of texts, of the minute or of the day; 1 is all of it.",
		sqlUsedShare)
}

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
	Codes    Class = "codes"    // one-time codes may use the whole budget
	Notices  Class = "notices"  // other texts may use their own part of it
	Security Class = "security" // texts about a customer's security have a budget of their own
)

// ErrExhausted refuses a text because the bank's budget of texts is used up.
var ErrExhausted = bankerr.New(bankerr.TooMany, "SMS_EXHAUSTED")

// ErrDay is a cause of ErrExhausted: the budget of the day is used up.
var ErrDay = errors.New("the day's budget of texts is used up")

// ErrMinute is a cause of ErrExhausted: the budget of the minute is used up.
var ErrMinute = errors.New("the minute's budget of texts is used up")

const (
	sqlBudget = `-- sms_use.budget
SELECT s.span, policy_value('sms.' || s.span || '_max', $1), policy_value('sms.' || s.span || '_notices_max', $1),
       policy_value('sms.' || s.span || '_security_max', $1),
       coalesce(u.codes, 0), coalesce(u.notices, 0), coalesce(u.security, 0)
  FROM (VALUES ('day', $2::timestamptz), ('minute', $3::timestamptz)) AS s (span, starts_at)
  LEFT JOIN sms_use u USING (span, starts_at)`

	// Rows are locked in one order: the day first.
	sqlCount = `-- sms_use.count
INSERT INTO sms_use AS u (span, starts_at, codes, notices, security)
VALUES ('day', $1, $3, $4, $5), ('minute', $2, $3, $4, $5)
ON CONFLICT (span, starts_at) DO UPDATE
   SET codes = u.codes + excluded.codes, notices = u.notices + excluded.notices, security = u.security + excluded.security`

	sqlUsePrune = `-- sms_use.prune
DELETE FROM sms_use WHERE (span, starts_at) IN (
    SELECT span, starts_at FROM sms_use WHERE starts_at < $2::timestamptz LIMIT $1)`

	sqlUsedShare = `-- sms_use.used_share
SELECT coalesce(max(greatest(
           (codes + notices)::float8 / policy_value('sms.' || span || '_max', (now() AT TIME ZONE 'Asia/Shanghai')::date),
           security::float8 / policy_value('sms.' || span || '_security_max', (now() AT TIME ZONE 'Asia/Shanghai')::date))), 0)
  FROM sms_use
 WHERE span = 'minute' AND starts_at >= now() - interval '1 minute'
    OR span = 'day' AND starts_at >= now() - interval '1 day'`
)

// spans returns the start of the business day and of the minute.
func spans(at time.Time) (day, minute time.Time) {
	y, m, d := at.In(clock.Shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, clock.Shanghai), at.Truncate(time.Minute)
}

// budget is a budget of one span, and what is used of it.
type budget struct{ most, noticesMost, securityMost, codes, notices, security int64 }

func (b budget) left(class Class) bool {
	switch class {
	case Security:
		return b.security < b.securityMost
	case Codes:
		return b.codes+b.notices < b.most
	case Notices:
	}
	return b.codes+b.notices < b.most && b.notices < b.noticesMost
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
	var u budget
	var refused error
	_, err = pgx.ForEachRow(rows, []any{&span, &u.most, &u.noticesMost, &u.securityMost, &u.codes, &u.notices, &u.security}, func() error {
		switch {
		case u.left(class):
		case span == "day":
			refused = ErrExhausted.Because(ErrDay).WithRetryAfter(clock.UntilNextDay(at))
		case refused == nil:
			refused = ErrExhausted.Because(ErrMinute).WithRetryAfter(minute.Add(time.Minute).Sub(at))
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
	one := map[Class]int{class: 1}
	return to.Write(ctx, pg.Statement{SQL: sqlCount, Args: []any{day, minute, one[Codes], one[Notices], one[Security]}})
}

// Retentions keep the counts for 40 days. They keep a phone's quota for two days after
// its last text.
func Retentions() []pg.Retention {
	return []pg.Retention{
		{
			Table: "sms_use", Keep: 40 * 24 * time.Hour, SQL: sqlUsePrune,
			Why: "A budget is of a minute or of a day; the counts of a month serve to check the gateway's bill.",
		},
		{
			Table: "sms_quota", Keep: 2 * 24 * time.Hour, SQL: sqlQuotaPrune,
			Why: "A quota counts the notices of 24 hours.",
		},
	}
}

// Observe registers the used part of the budgets of texts, and the texts above their
// phone's quota. When a part is 1, texts of its class are refused.
func Observe(db *pg.DB, registry prometheus.Registerer) {
	db.Gauge(registry, "tidebank_sms_budget_used", "Used part of the budget of texts, of the minute or of the day; 1 is all of it.",
		sqlUsedShare)
	db.Gauge(registry, "tidebank_sms_over_quota", "Texts of the day that were not sent, because their phone has had its maximum.",
		sqlOverQuota)
}

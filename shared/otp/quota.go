package otp

import (
	"context"
	"fmt"
	"time"

	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Quota bounds the codes of a number and a purpose: a pause between two codes, and a
// maximum in any 24 hours. Who may use a quota up decides whom it can hurt: a stranger
// must not use up the codes of a customer's own devices, or the codes for intents.
type Quota struct {
	scope, who string
	maximum    string // name of the figure in the policy
}

// OwnQuota bounds the codes for the intents of the number's own customer.
func OwnQuota() Quota { return Quota{scope: "own", maximum: "otp.day_max"} }

// KnownQuota bounds the codes before login of a device that proved the key that the
// number's customer has bound on it; origin is its digest (shared/device).
func KnownQuota(origin []byte) Quota {
	return Quota{scope: "device", who: string(origin), maximum: "otp.day_max"}
}

// UnknownQuotas bound the codes before login of all unknown devices together, and of
// those at one network address. For IPv6 they also bound the codes of the wider blocks
// that one subscriber can have. No address or block can use up the whole number alone.
func UnknownQuotas(ip string) []Quota {
	quotas := []Quota{{scope: "address", who: address.Group(ip), maximum: "otp.address_day_max"}}
	if home, site := address.Wider(ip); home != "" {
		quotas = append(quotas,
			Quota{scope: "address", who: home, maximum: "otp.home_day_max"},
			Quota{scope: "address", who: site, maximum: "otp.site_day_max"})
	}
	return append(quotas, Quota{scope: "unknown", maximum: "otp.unknown_day_max"})
}

const (
	sqlQuotaCounted = `-- otp_quota.counted
SELECT EXISTS (SELECT FROM otp_quota
 WHERE phone_bidx IN ($1, (SELECT alias_bidx FROM customer WHERE phone_bidx = $1))
   AND last_at > $2::timestamptz - interval '24 hours')`

	sqlQuotaReset = `-- otp_quota.reset
DELETE FROM otp_quota WHERE phone_bidx IN ($1, (SELECT alias_bidx FROM customer WHERE phone_bidx = $1))`
)

// QuotasInUse reports whether a quota of the number, or of its holder's alias, counts a code of the last 24 hours;
// phone is the number's blind index.
func QuotasInUse(ctx context.Context, db pg.Reader, phone []byte, now time.Time) (bool, error) {
	var counted bool
	if err := db.QueryRow(ctx, sqlQuotaCounted, phone, now).Scan(&counted); err != nil {
		return false, fmt.Errorf("quotas of codes: %w", err)
	}
	return counted, nil
}

// Reset adds to the unit the statement that empties all quotas of the codes of a number and
// of its holder's alias. Only an authorised operator may reset them.
func Reset(unit *pg.Unit, phone []byte) {
	unit.Add(pg.Statement{SQL: sqlQuotaReset, Args: []any{phone}})
}

// digest names the quota of a challenge in the table.
func (q Quota) digest(c Challenge) []byte {
	zero := []byte{0}
	return sm.Digest([]byte(q.scope), zero, []byte(c.Purpose), zero, c.Phone, []byte(q.who))
}

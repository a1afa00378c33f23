package session

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
)

// Rate bounds how often one channel or address may call a class of functions: at most
// Limit calls in any time of the length Per.
type Rate struct {
	Class string
	Limit int
	Per   time.Duration
}

// args returns the arguments of countCall at a time.
func (r Rate) args(now time.Time) []any { return []any{r.Limit, r.Per.Milliseconds(), now.UnixMilli()} }

// countCall is a Lua function. It counts a call and returns 0, or it returns for how
// many milliseconds the caller must wait. It counts calls in slots of a twelfth of
// the rate's time, and looks at the last 13 slots, so no time of that length holds
// more calls than the limit, wherever it begins. Refused calls are not counted.
const countCall = `
local function countCall(key, limit, per, now)
  local width = per / 12
  local slot = math.floor(now / width)
  local kept = redis.call('HGETALL', key)
  local counts, total = {}, 0
  for i = 1, #kept, 2 do
    local at, calls = tonumber(kept[i]), tonumber(kept[i + 1])
    if at < slot - 12 then
      redis.call('HDEL', key, kept[i])
    else
      counts[slot - at], total = calls, total + calls
    end
  end
  if total < limit then
    redis.call('HINCRBY', key, string.format('%d', slot), 1)
    redis.call('PEXPIRE', key, string.format('%d', math.ceil(per + width)))
    return 0
  end
  for age = 12, 0, -1 do
    total = total - (counts[age] or 0)
    if total < limit then return math.ceil((slot - age + 13) * width - now) end
  end
  return per
end
`

// addressScript counts a call without a channel.
var addressScript = redis.NewScript(countCall + `
return countCall(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
`)

// AllowAddress counts a call without a channel by its network address, and refuses it
// above the rate. The addresses that one client can have count together.
func (s *Store) AllowAddress(ctx context.Context, from string, rate Rate) error {
	key := "rate:" + rate.Class + ":" + address.Key(s.ring, from)
	wait, err := addressScript.Run(ctx, s.redis, []string{key}, rate.args(s.clock.Now())...).Int64()
	if err != nil {
		return unavailable(err)
	}
	if wait > 0 {
		return limited(wait)
	}
	return nil
}

// limited is the refusal of a call above the rate.
func limited(wait int64) *bankerr.Error {
	return ErrRateLimited.WithRetryAfter(time.Duration(wait) * time.Millisecond)
}

func rateKey(id channel.ID, class string) string {
	return "{" + hex.EncodeToString(id[:]) + "}:rate:" + class
}

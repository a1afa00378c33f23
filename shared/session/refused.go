package session

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
)

// Refused describes a call that was refused before it was admitted.
type Refused struct {
	Channel  channel.ID `json:"-"`
	Code     string     `json:"-"`
	Function string     `json:"function"`
	DeviceID string     `json:"device_id"`
	IP       string     `json:"ip"`
	Trace    string     `json:"trace"`
	Category string     `json:"category"`
}

// RefusedCount counts the calls of one channel, code and minute. First describes the
// first of them.
type RefusedCount struct {
	Minute time.Time // its start
	First  Refused   // its Channel is zero if the minute had too many channels to name each
	Count  int64
}

const (
	refusedKept  = 30 * time.Minute // a recorder that was away for less loses nothing
	refusedLate  = 5 * time.Second  // a minute is complete so long after its end
	refusedPairs = 2000             // channels and codes of a minute that are counted apart
)

// countRefusedScript counts a call in the hash of its minute. The hash holds two
// fields for each channel and code: the count, and the sealed description of the first
// call. When the hash is full, calls of further channels are counted by code only.
var countRefusedScript = redis.NewScript(`
local field = ARGV[1]
local count = redis.call('HINCRBY', KEYS[1], field, 1)
if count == 1 and redis.call('HLEN', KEYS[1]) > 2 * tonumber(ARGV[4]) then
  redis.call('HDEL', KEYS[1], field)
  field = ARGV[2]
  count = redis.call('HINCRBY', KEYS[1], field, 1)
end
if count == 1 then
  redis.call('HSET', KEYS[1], field .. ':first', ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return count
`)

// CountRefused counts a call that was refused before it was admitted. So a flood of
// such calls costs no row in PostgreSQL: RecordRefused later writes one record for each
// channel, code and minute. Addresses are sealed in Redis.
func (s *Store) CountRefused(ctx context.Context, call Refused) error {
	first, err := json.Marshal(call)
	if err != nil {
		return fmt.Errorf("refused call: %w", err)
	}
	key, code := refusedKey(s.clock.Now()), ":"+call.Code
	if first, err = s.ring.Seal(keys.Session, []byte(key), first); err != nil {
		return fmt.Errorf("seal refused call: %w", err)
	}
	err = countRefusedScript.Run(ctx, s.redis, []string{key}, hex.EncodeToString(call.Channel[:])+code, code, first, refusedPairs,
		int64(refusedKept/time.Second)).Err()
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// RecordRefused passes the counts of each complete minute to record, and then forgets
// them. It passes them again if it was interrupted, so record must take them once.
func (s *Store) RecordRefused(ctx context.Context, record func(ctx context.Context, counts []RefusedCount) error) error {
	now := s.clock.Now()
	last := now.Add(-refusedLate).Truncate(time.Minute).Add(-time.Minute)
	for minute := now.Add(-refusedKept).Truncate(time.Minute); !minute.After(last); minute = minute.Add(time.Minute) {
		fields, err := s.redis.HGetAll(ctx, refusedKey(minute)).Result()
		if err != nil {
			return unavailable(err)
		}
		if len(fields) == 0 {
			continue
		}
		if err := record(ctx, s.refusedCounts(minute, fields)); err != nil {
			return err
		}
		if err := s.redis.Del(ctx, refusedKey(minute)).Err(); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// refusedCounts reads the hash of a minute. A description that does not open is left
// empty: the count stays.
func (s *Store) refusedCounts(minute time.Time, fields map[string]string) []RefusedCount {
	var counts []RefusedCount
	for _, field := range slices.Sorted(maps.Keys(fields)) {
		id, code, _ := strings.Cut(field, ":")
		count, err := strconv.ParseInt(fields[field], 10, 64)
		if strings.HasSuffix(code, ":first") || err != nil {
			continue
		}
		c := RefusedCount{Minute: minute.UTC(), Count: count}
		if clear, err := s.ring.Open(keys.Session, []byte(refusedKey(minute)), []byte(fields[field+":first"])); err == nil {
			_ = json.Unmarshal(clear, &c.First) // CountRefused has written it
		}
		c.First.Code = code
		_, _ = hex.Decode(c.First.Channel[:], []byte(id)) // empty: the channel is not named
		counts = append(counts, c)
	}
	return counts
}

func refusedKey(at time.Time) string {
	return "refused:" + strconv.FormatInt(at.Truncate(time.Minute).Unix(), 10)
}

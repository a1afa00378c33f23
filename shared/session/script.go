package session

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/redisdb"
)

// run runs a script that may be repeated after a lost answer.
func (s *Store) run(ctx context.Context, script *redis.Script, key string, args ...any) *redis.Cmd {
	var answer *redis.Cmd
	_ = redisdb.Repeat(ctx, func() error { // answer holds the error
		answer = script.Run(ctx, s.redis, []string{key}, args...)
		return answer.Err()
	})
	return answer
}

// admitScript decides about one frame atomically. The window has 64 slots. A sequence
// is new if it is greater than the sequence in its slot, and less than 64 behind the
// greatest sequence. So the script never accepts a sequence twice. Sequences stay
// below 2^53, up to which Lua's numbers are exact. The script must not be repeated.
//
// A frame with a new sequence counts against the channel's rate: only the holder of the
// channel's keys can make such a frame. Anybody who has seen a frame on the network can
// send it again. So a replayed frame counts against the address that sends it, in a
// counter of its own, before it is refused. If replays counted against the channel, a
// stranger could use up the customer's rate. If they counted against all calls of the
// address, a stranger behind the same address could.
var admitScript = redis.NewScript(countCall + `
local sequence = tonumber(ARGV[1])
local slot = 's' .. (sequence % 64)
local seen = redis.call('HMGET', KEYS[1], 'device', 'max', slot)
if not seen[1] then return {'expired'} end
local max = tonumber(seen[2] or '0')
if sequence <= tonumber(seen[3] or '0') or sequence <= max - 64 then
  local wait = countCall(KEYS[4], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
  if wait > 0 then return {'replays', string.format('%d', wait)} end
  return {'replayed'}
end
if sequence > max then
  redis.call('HSET', KEYS[1], slot, ARGV[1], 'max', ARGV[1])
else
  redis.call('HSET', KEYS[1], slot, ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[7])
local wait = countCall(KEYS[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]))
if wait > 0 then return {'limited', string.format('%d', wait)} end
local login = redis.call('HMGET', KEYS[2], 'customer', 'turn', 'at', 'mac', 'key', 'displaced', 'address', 'duty')
if login[6] then return {'displaced', login[6]} end
if not login[1] then return {'no login'} end
redis.call('EXPIRE', KEYS[1], ARGV[2])
if ARGV[3] ~= '0' then redis.call('EXPIRE', KEYS[2], ARGV[3]) end
return {'login', login[1], login[2] or '', login[3] or '', login[4] or '', login[5] or '', login[7] or '', login[8] or ''}
`)

// Redis numbers the logins of a customer, so that their order does not depend on an
// instance's clock. turnScript returns the next number. startScript writes a login on
// the channel, unless the channel holds a later login of the customer. pointScript
// stores the login in the customer's pointer and returns the login that must end.
// That is the previous login, or this login if a later login has already taken the
// pointer. displaceScript ends a login, but never a later login on the same channel. It
// leaves a notice about the later login, unless the notice is empty.
// relieveScript takes the duty from a login, and gives it the MAC that fits.
// unpointScript removes a logged-out login from the pointer, but never a later login.
// It keeps the last number, so that numbers never repeat.
//
// Each of these scripts may be repeated after a lost answer: it has the same effect and
// the same answer. (A repeated turnScript skips a number, which does no harm.) So the
// pointer also keeps the login that its live login has ended.
var (
	turnScript = redis.NewScript(`
local turn = math.max(tonumber(redis.call('HGET', KEYS[1], 'turn') or '0') + 1, tonumber(ARGV[1]))
redis.call('HSET', KEYS[1], 'turn', string.format('%d', turn))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return turn
`)
	startScript = redis.NewScript(`
local seen = redis.call('HMGET', KEYS[1], 'customer', 'turn')
if seen[1] == ARGV[1] and tonumber(seen[2]) > tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'customer', ARGV[1], 'turn', ARGV[2], 'at', ARGV[3], 'mac', ARGV[5], 'key', ARGV[6],
  'address', ARGV[7], 'duty', ARGV[8])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
`)
	pointScript = redis.NewScript(`
local live = redis.call('HMGET', KEYS[1], 'channel', 'live', 'ended', 'endedturn')
if live[2] and tonumber(live[2]) > tonumber(ARGV[2]) then return {ARGV[1], ARGV[2]} end
if live[1] == ARGV[1] and live[2] == ARGV[2] then return {live[3], live[4]} end
local ended, turn = live[1] or '', live[2] or '0'
redis.call('HSET', KEYS[1], 'channel', ARGV[1], 'live', ARGV[2], 'ended', ended, 'endedturn', turn)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {ended, turn}
`)
	relieveScript = redis.NewScript(`
local seen = redis.call('HMGET', KEYS[1], 'customer', 'turn')
if seen[1] ~= ARGV[1] or seen[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'duty', '', 'mac', ARGV[3], 'key', ARGV[4])
return 1
`)
	unpointScript = redis.NewScript(`
local live = redis.call('HMGET', KEYS[1], 'channel', 'live')
if live[1] ~= ARGV[1] or live[2] ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'channel', 'live')
return 1
`)
	displaceScript = redis.NewScript(`
local seen = redis.call('HMGET', KEYS[1], 'customer', 'turn')
if seen[1] ~= ARGV[1] or tonumber(seen[2]) > tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[3] == '' then return 1 end
redis.call('HSET', KEYS[1], 'displaced', ARGV[3])
redis.call('EXPIRE', KEYS[1], 900)
return 1
`)
)

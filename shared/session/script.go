package session

import "github.com/redis/go-redis/v9"

// acceptScript decides about one frame at one instant. The window has 64 slots:
// a sequence is new when it is greater than the one its slot holds and not 64 or
// more behind the greatest seen, so no sequence is ever accepted twice.
// Sequences stay below 2^53, which Lua counts exactly.
var acceptScript = redis.NewScript(`
local sequence = tonumber(ARGV[1])
local slot = 's' .. (sequence % 64)
local seen = redis.call('HMGET', KEYS[1], 'device', 'max', slot)
if not seen[1] then return {'expired'} end
local max = tonumber(seen[2] or '0')
if sequence <= tonumber(seen[3] or '0') or sequence <= max - 64 then return {'replayed'} end
if sequence > max then
  redis.call('HSET', KEYS[1], slot, ARGV[1], 'max', ARGV[1])
else
  redis.call('HSET', KEYS[1], slot, ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
local calls = redis.call('INCR', KEYS[3])
if calls == 1 then redis.call('EXPIRE', KEYS[3], ARGV[5]) end
if calls > tonumber(ARGV[4]) then return {'limited'} end
local login = redis.call('HMGET', KEYS[2], 'customer', 'at', 'displaced')
if login[3] then return {'displaced'} end
if not login[1] then return {'nobody'} end
redis.call('EXPIRE', KEYS[2], ARGV[3])
return {'login', login[1], login[2]}
`)

// displaceScript turns a login into the notice that a later one ended it, if it
// still is that customer's.
var displaceScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'customer') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'displaced', '1')
redis.call('EXPIRE', KEYS[1], 900)
return 1
`)

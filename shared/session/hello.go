package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/redisdb"
)

// ErrCrowded reports that apps of all addresses together send more hellos than the bank
// takes in a minute.
var ErrCrowded = errors.New("session: more hellos than CHANNEL_HELLOS_MAX")

// helloKey counts the hellos of all addresses. If Redis loses it, the count starts anew.
const helloKey = "rate:hellos"

// crowdedFor is how long an instance remembers that the bank takes no more hellos.
const crowdedFor = 5 * time.Second

// helloScript counts a hello.
var helloScript = redis.NewScript(countCall + `
return countCall(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]))
`)

// storeScript stores a channel together with its lifetime.
var storeScript = redis.NewScript(`
redis.call('HSET', KEYS[1], 'keys', ARGV[1], 'device', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
`)

// Crowded reports whether a hello without a solved graphic code would be refused, as far
// as this instance knows. So most hellos of a flood cost no handshake.
func (s *Store) Crowded() bool { return s.clock.Now().UnixMilli() < s.crowded.Load() }

// OpenChannel stores a freshly negotiated channel. It lives for a short time, until its
// first frame proves that the client has the keys. Above the number of hellos that the
// bank takes in a minute, OpenChannel returns ErrCrowded and keeps nothing.
func (s *Store) OpenChannel(ctx context.Context, id channel.ID, opened Channel) error {
	wait, err := s.countAndStore(ctx, id, opened)
	if err != nil || wait == 0 {
		return err
	}
	s.crowded.Store(s.clock.Now().Add(min(wait, crowdedFor)).UnixMilli())
	err = redisdb.Repeat(ctx, func() error { return s.redis.Del(ctx, channelKey(id)).Err() })
	return errors.Join(ErrCrowded, err) // a channel that stays is gone with its short life
}

// OpenSolved is OpenChannel for an app that has solved a graphic code: its hello counts,
// and is never too many.
func (s *Store) OpenSolved(ctx context.Context, id channel.ID, opened Channel) error {
	_, err := s.countAndStore(ctx, id, opened)
	return err
}

// countAndStore counts the hello and stores its channel in one round trip. It returns
// the time until the next hello is not too many; 0 if this hello was not. The two keys
// are in different slots of a Redis Cluster, so they can't be in one script.
//
// After a lost answer both steps run again: the hello then counts twice, which does no
// harm.
func (s *Store) countAndStore(ctx context.Context, id channel.ID, opened Channel) (wait time.Duration, err error) {
	clear := append(opened.Keys.ClientToServer[:], opened.Keys.ServerToClient[:]...)
	sealed, err := s.ring.Seal(keys.Session, channelAAD(id, opened.DeviceID), clear)
	if err != nil {
		return 0, fmt.Errorf("seal channel keys: %w", err)
	}
	rate := Rate{Class: "hellos", Limit: s.config.Hellos, Per: time.Minute}
	var counted *redis.Cmd
	err = redisdb.Repeat(ctx, func() error {
		pipe := s.redis.Pipeline()
		counted = helloScript.Eval(ctx, pipe, []string{helloKey}, rate.args(s.clock.Now())...)
		storeScript.Eval(ctx, pipe, []string{channelKey(id)}, sealed, opened.DeviceID, int64(s.config.Unproved/time.Second))
		_, err := pipe.Exec(ctx)
		return err //nolint:wrapcheck // unavailable wraps it
	})
	if err != nil {
		return 0, unavailable(err)
	}
	millis, err := counted.Int64()
	if err != nil {
		return 0, fmt.Errorf("count of hellos: %w", err)
	}
	return time.Duration(millis) * time.Millisecond, nil
}

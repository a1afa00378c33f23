// Package session stores the state of one app connection: its secure channel, the
// login on the channel, and the counts of its calls.
//
// A login belongs to its channel, so a session can't move to another device. An app
// that loses its channel loses its login (SESSION-001, DEVICE-001). A customer has
// one live login; a later login ends the earlier login at once (SESSION-003). All
// keys of a channel have one hash tag in Redis, and each script uses the keys of one
// tag. So a request costs one script call, also on a Redis Cluster.
// If Redis loses its data, customers must log in again. Channel keys are sealed in
// Redis. Times are milliseconds since 1970, lifetimes seconds. A Store is safe for
// concurrent use.
//
// Refusals: CHANNEL_EXPIRED, FRAME_REPLAYED, RATE_LIMITED, SESSION_DISPLACED,
// SESSION_REQUIRED. The runtime refuses a login with a duty with PASSWORD_CHANGE_REQUIRED.
package session

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/sm"
)

// Refusals.
var (
	ErrChannelExpired = bankerr.New(bankerr.Unauthenticated, "CHANNEL_EXPIRED")
	ErrReplayed       = bankerr.New(bankerr.Conflict, "FRAME_REPLAYED")
	ErrRateLimited    = bankerr.New(bankerr.TooMany, "RATE_LIMITED")
	ErrRequired       = bankerr.New(bankerr.Unauthenticated, "SESSION_REQUIRED")
	ErrDisplaced      = bankerr.New(bankerr.Unauthenticated, "SESSION_DISPLACED")
	ErrDuty           = bankerr.New(bankerr.Refused, "PASSWORD_CHANGE_REQUIRED")
)

// ErrReplays is the cause of RATE_LIMITED when an address has replayed frames of the
// channel above the rate. The frame itself may have had its effect before, so the bank
// must not tell the holder of the channel that it had none.
var ErrReplays = errors.New("replayed frames above the rate")

// Config is read from the environment once. Anybody may open channels, so a channel
// lives longer only when its app proves that it has the keys, and when a customer logs
// in. Unproved and Anonymous are ChannelLife if they are zero. Hellos bounds the hellos
// of all addresses in a minute that bring no solved graphic code, and with them the
// unproved channels; it is 60,000 if it is zero. App holds the versions of the app.
type Config struct {
	ChannelLife time.Duration `envconfig:"CHANNEL_LIFE" default:"12h" min:"1m" max:"24h"`
	Unproved    time.Duration `envconfig:"CHANNEL_UNPROVED" default:"60s" min:"10s" max:"10m"`
	Anonymous   time.Duration `envconfig:"CHANNEL_ANONYMOUS" default:"10m" min:"1m" max:"24h"`
	Hellos      int           `envconfig:"CHANNEL_HELLOS_MAX" default:"60000"`
	Idle        time.Duration `envconfig:"SESSION_IDLE" default:"10m" min:"1s" max:"15m"`
	// Background is how long a login lasts after its app has gone to the background; Idle if zero.
	Background time.Duration `envconfig:"SESSION_BACKGROUND" default:"5m" min:"1s" max:"15m"`
	App        channel.VersionsConfig
	// Moved is what happens to a login that is used from another address; MovedRisk if empty.
	Moved string `envconfig:"SESSION_MOVED" default:"risk"`
}

// The policies for a login that is used from another address than that of the login.
const (
	MovedRisk  = "risk"  // the call goes on, and the risk of its customer is raised
	MovedLogin = "login" // the customer must log in again
)

// ErrMoved refuses another policy.
var ErrMoved = errors.New("SESSION_MOVED must be risk or login")

// These errors refuse a configuration against SESSION-004 (at most 15 min).
var (
	ErrIdleTooLong       = errors.New("SESSION_IDLE must be between 1s and 15m")
	ErrBackgroundTooLong = errors.New("SESSION_BACKGROUND must be between 1s and 15m")
)

// Activity is what a call says about its customer.
type Activity string

// The activities.
const (
	Acts  Activity = ""      // the customer uses the app: the idle time starts anew
	Polls Activity = "polls" // the app calls by itself: the idle time goes on (SESSION-001)
	Rests Activity = "rests" // the app has gone to the background: from now on Background counts (SESSION-004)
)

// seconds is for how long a call keeps its login; 0 leaves the login's time as it is.
func (s *Store) seconds(a Activity) int64 {
	switch a {
	case Polls:
		return 0
	case Rests:
		return int64(s.config.Background / time.Second)
	case Acts:
	}
	return int64(s.config.Idle / time.Second)
}

// Duty is what a customer must do in a login before anything else.
type Duty string

// The duties.
const (
	NoDuty      Duty = ""
	ChangeLogin Duty = "login_password" // the customer must change the login password (PWD-004, PWD-016)
)

// Channel is an open secure channel.
type Channel struct {
	DeviceID string
	Keys     channel.Keys
}

// Login is a customer's live session on a channel.
type Login struct {
	CustomerID uuid.UUID
	At         time.Time
	Turn       string // number of the login among the customer's; no number comes twice
	Duty       Duty
}

// Store stores channels, logins and call counts in Redis.
type Store struct {
	redis    redis.UniversalClient
	ring     *keys.Ring
	clock    clock.Clock
	config   Config
	cache    *channelCache
	versions channel.Versions

	crowded atomic.Int64 // until this time the bank takes no more hellos: milliseconds since 1970
}

// New returns a Store on an open Redis client.
func New(client redis.UniversalClient, ring *keys.Ring, now clock.Clock, config Config) (*Store, error) {
	if config.Idle < time.Second || config.Idle > 15*time.Minute {
		return nil, ErrIdleTooLong
	}
	if config.Background == 0 {
		config.Background = config.Idle
	}
	if config.Background < time.Second || config.Background > 15*time.Minute {
		return nil, ErrBackgroundTooLong
	}
	if config.Moved != "" && config.Moved != MovedRisk && config.Moved != MovedLogin {
		return nil, ErrMoved
	}
	if config.Unproved == 0 {
		config.Unproved = config.ChannelLife
	}
	if config.Anonymous == 0 {
		config.Anonymous = config.ChannelLife
	}
	if config.Hellos == 0 {
		config.Hellos = 60_000
	}
	versions, err := channel.ParseVersions(config.App)
	if err != nil {
		return nil, err
	}
	return &Store{redis: client, ring: ring, clock: now, config: config, cache: newChannelCache(20_000), versions: versions}, nil
}

// ChannelLife is how long a channel with a login is kept after its last call.
func (s *Store) ChannelLife() time.Duration { return s.config.ChannelLife }

// Versions are the versions of the app that the bank knows.
func (s *Store) Versions() channel.Versions { return s.versions }

// Idle is how long a login lasts without a call.
func (s *Store) Idle() time.Duration { return s.config.Idle }

// Background is how long a login lasts after its app has gone to the background.
func (s *Store) Background() time.Duration { return s.config.Background }

// Unproved is how long a channel without any call is kept.
func (s *Store) Unproved() time.Duration { return s.config.Unproved }

// Channel returns an open channel's keys. The keys of a channel never change, so each
// instance caches them. Only Admit decides whether the channel is still open.
func (s *Store) Channel(ctx context.Context, id channel.ID) (Channel, error) {
	if found, ok := s.cache.get(id); ok {
		return found, nil
	}
	fields, err := s.fields(ctx, channelKey(id), "keys", "device")
	if err != nil {
		return Channel{}, unavailable(err)
	}
	sealed, _ := fields[0].(string)
	device, _ := fields[1].(string)
	if sealed == "" {
		return Channel{}, ErrChannelExpired
	}
	clear, err := s.ring.Open(keys.Session, channelAAD(id, device), []byte(sealed))
	if errors.Is(err, keys.ErrPurpose) {
		return Channel{}, fmt.Errorf("channel keys: %w", err)
	}
	if err != nil || len(clear) != 2*len(sm.Key{}) {
		return Channel{}, ErrChannelExpired.Because(err)
	}
	opened := Channel{DeviceID: device}
	copy(opened.Keys.ClientToServer[:], clear)
	copy(opened.Keys.ServerToClient[:], clear[len(sm.Key{}):])
	s.cache.put(id, opened)
	return opened, nil
}

// Admitted is the result of Admit.
type Admitted struct {
	Login     *Login          // nil: the channel has no login
	Displaced *DisplacedError // a later login on another channel has ended the login
	Moved     bool            // the frame comes from another address than the login; Login is nil if the policy is MovedLogin
}

// Frame identifies an authenticated frame, the address that sent it, and what it says
// about the customer.
type Frame struct {
	Channel  channel.ID
	Sequence uint64
	Address  string
	Activity Activity
}

// Admit checks an authenticated frame: its sequence must be new, and its channel
// below the rate. It returns the login on the channel. A call that is no poll restarts the
// login's idle time. It takes one round trip.
func (s *Store) Admit(ctx context.Context, frame Frame, rate Rate) (Admitted, error) {
	id := frame.Channel
	from := address.Key(s.ring, frame.Address)
	names := []string{channelKey(id), loginKey(id), rateKey(id, rate.Class), rateKey(id, "replay:"+from)}
	args := append([]any{
		strconv.FormatUint(frame.Sequence, 10), int64(s.config.ChannelLife / time.Second), s.seconds(frame.Activity),
	}, rate.args(s.clock.Now())...)
	args = append(args, int64(s.config.Anonymous/time.Second))
	answer, err := admitScript.Run(ctx, s.redis, names, args...).StringSlice()
	if err != nil {
		return Admitted{}, unavailable(err)
	}
	switch answer[0] {
	case "expired":
		s.cache.drop(id)
		return Admitted{}, ErrChannelExpired
	case "replayed":
		return Admitted{}, ErrReplayed
	case "replays", "limited":
		wait, err := strconv.ParseInt(answer[1], 10, 64)
		if err != nil {
			return Admitted{}, fmt.Errorf("wait above the rate: %w", err)
		}
		if answer[0] == "replays" {
			return Admitted{}, limited(wait).Because(ErrReplays)
		}
		return Admitted{}, limited(wait)
	case "displaced":
		by, err := s.readNotice(id, answer[1])
		return Admitted{Displaced: by}, err
	case "login":
		login, err := s.verify(id, stored{answer[1], answer[2], answer[3], Duty(answer[7]), answer[4], answer[5]})
		if err != nil {
			return Admitted{}, fmt.Errorf("stored login: %w", err)
		}
		if s.clock.Now().Sub(login.At) > s.config.ChannelLife {
			return Admitted{}, nil // the customer's pointer has expired, so a later login could not end this login
		}
		moved := answer[6] != "" && answer[6] != from
		if moved && s.config.Moved == MovedLogin {
			return Admitted{Moved: true}, nil
		}
		return Admitted{Login: &login, Moved: moved}, nil
	}
	return Admitted{}, nil
}

// Start takes a number and starts the customer's login with it. Nobody is told of its origin.
func (s *Store) Start(ctx context.Context, id channel.ID, customer uuid.UUID) error {
	number, err := s.Number(ctx, customer)
	if err != nil {
		return err
	}
	return s.StartNumbered(ctx, id, Login{CustomerID: customer}, number, Origin{})
}

// Number takes the number of a login of the customer that will start. A login that checked
// a password takes it before its commit: then EndCustomer ends the login also if the login
// starts later.
func (s *Store) Number(ctx context.Context, customer uuid.UUID) (int64, error) {
	turn, err := s.run(ctx, turnScript, pointerKey(customer), s.clock.Now().UnixMilli(), s.pointerKept()).Int64()
	if err != nil {
		return 0, unavailable(err)
	}
	return turn, nil
}

// StartNumbered starts the customer's login on the channel, with its duty, and ends the previous
// login, whose channel is told of the origin. Each login writes its session before it takes the pointer.
// So of concurrent logins, only the login with the greatest number stays live.
func (s *Store) StartNumbered(ctx context.Context, id channel.ID, of Login, turn int64, from Origin) error {
	customer, pointer := of.CustomerID, pointerKey(of.CustomerID)
	at := s.clock.Now()
	l := s.bind(id, stored{
		customer: customer.String(), turn: strconv.FormatInt(turn, 10), at: strconv.FormatInt(at.UnixMilli(), 10), duty: of.Duty,
	})
	named := ""
	if from.Address != "" {
		named = address.Key(s.ring, from.Address)
	}
	err := s.run(ctx, startScript, loginKey(id),
		l.customer, l.turn, l.at, int64(s.config.Idle/time.Second), l.mac, l.keyID, named, string(l.duty)).Err()
	if err != nil {
		return unavailable(err)
	}
	ended, err := s.run(ctx, pointScript, pointer, hex.EncodeToString(id[:]), turn, s.pointerKept()).StringSlice()
	if err != nil {
		return unavailable(err)
	}
	return s.displace(ctx, customer, id, ended, DisplacedError{At: at, Origin: from})
}

// Relieve takes the duty from the login on the channel. It leaves another login as it is.
func (s *Store) Relieve(ctx context.Context, id channel.ID, of Login) error {
	l := s.bind(id, stored{customer: of.CustomerID.String(), turn: of.Turn, at: strconv.FormatInt(of.At.UnixMilli(), 10)})
	if err := s.run(ctx, relieveScript, loginKey(id), l.customer, l.turn, l.mac, l.keyID).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// End removes the login from the channel. It also removes the customer's pointer,
// unless a later login has taken the pointer. The channel stays open.
func (s *Store) End(ctx context.Context, id channel.ID) error {
	ended, err := s.fields(ctx, loginKey(id), "customer", "turn")
	if err != nil {
		return unavailable(err)
	}
	err = redisdb.Repeat(ctx, func() error { return s.redis.Del(ctx, loginKey(id)).Err() })
	if err != nil {
		return unavailable(err)
	}
	customer, isLogin := ended[0].(string)
	if !isLogin {
		return nil
	}
	// The turn identifies the login: a newer login on this channel keeps its pointer.
	err = s.run(ctx, unpointScript, pointerPrefix+customer, hex.EncodeToString(id[:]), ended[1]).Err()
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// EndCustomer ends the customer's live login, on whatever channel it is. A login that has
// its number already, and starts later, ends itself: its number is below the number that
// this call takes. A login that takes its number later stays. No device is told.
func (s *Store) EndCustomer(ctx context.Context, customer uuid.UUID) error {
	turn, err := s.Number(ctx, customer)
	if err != nil {
		return err
	}
	ended, err := s.run(ctx, pointScript, pointerKey(customer), "", turn, s.pointerKept()).StringSlice()
	if err != nil {
		return unavailable(err)
	}
	live, known := channelOf(ended[0])
	if !known {
		return nil
	}
	const noNotice = ""
	if err := s.run(ctx, displaceScript, loginKey(live), customer.String(), ended[1], noNotice).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// fields reads fields of a hash.
func (s *Store) fields(ctx context.Context, key string, names ...string) (values []any, err error) {
	err = redisdb.Repeat(ctx, func() (err error) {
		values, err = s.redis.HMGet(ctx, key, names...).Result()
		return err //nolint:wrapcheck // the caller wraps it
	})
	return values, err
}

func unavailable(err error) error {
	return bankerr.ErrUnavailable.Because(fmt.Errorf("redis: %w", err))
}

// pointerKey is the key of the customer's pointer, and pointerKept its lifetime in seconds.
func pointerKey(customer uuid.UUID) string { return pointerPrefix + customer.String() }

func (s *Store) pointerKept() int64 {
	return int64((s.config.ChannelLife + s.config.Idle) / time.Second)
}

const pointerPrefix = "logins:"

func channelKey(id channel.ID) string { return "{" + hex.EncodeToString(id[:]) + "}:channel" }
func loginKey(id channel.ID) string   { return "{" + hex.EncodeToString(id[:]) + "}:login" }

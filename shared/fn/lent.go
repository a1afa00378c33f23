package fn

import (
	"context"
	"log/slog"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
)

// Lent holds the stores and keys that an operation may use. An operation can't
// commit: it reads through DB and fills the unit, and the runtime commits. Lent holds
// no Redis client, because only the runtime handles sessions and rates.
type Lent struct {
	DB       pg.Reader
	Captchas *captcha.Store
	// Passwords works in a function that declares the purposes Pepper and Credential.
	Passwords *password.Store
	Keys      *keys.Ring // of the purposes that the Spec declares
	Channels  Channels
	Clock     clock.Clock
	// EndSession ends the live session of a customer at once, and may be repeated. It is nil
	// unless the Spec declares EndsSessions.
	EndSession func(ctx context.Context, customer uuid.UUID) error
	Log        *slog.Logger
	// Downstream returns the timer of a service that the operation calls.
	Downstream func(downstream.Name) *downstream.Timer
}

// Channels stores new secure channels, and tells how long sessions last (shared/session).
type Channels interface {
	OpenChannel(ctx context.Context, id channel.ID, opened session.Channel) error
	OpenSolved(ctx context.Context, id channel.ID, opened session.Channel) error
	Crowded() bool
	Versions() channel.Versions
	Unproved() time.Duration
	Idle() time.Duration
	Background() time.Duration
}

// channels hides the rest of the session store: a type assertion does not reach it.
type channels struct{ store *session.Store }

func (c channels) OpenChannel(ctx context.Context, id channel.ID, opened session.Channel) error {
	return c.store.OpenChannel(ctx, id, opened)
}

func (c channels) OpenSolved(ctx context.Context, id channel.ID, opened session.Channel) error {
	return c.store.OpenSolved(ctx, id, opened)
}

func (c channels) Versions() channel.Versions { return c.store.Versions() }

func (c channels) Crowded() bool { return c.store.Crowded() }

func (c channels) Unproved() time.Duration { return c.store.Unproved() }

func (c channels) Idle() time.Duration { return c.store.Idle() }

func (c channels) Background() time.Duration { return c.store.Background() }

// namesStore reports whether a configuration reads the key of a store or of the keys, as
// pg.Config does. With the value, an operation could open its own.
func namesStore(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	for f := range t.Fields() {
		switch f.Tag.Get("envconfig") {
		case "DATABASE_URL", "REDIS_URL", "KEYS_FILE":
			return true
		}
		if namesStore(f.Type) {
			return true
		}
	}
	return false
}

func lend(h *host.Host, s Spec) *Lent {
	own := ring(h, s)
	lent := &Lent{
		DB: h.DB.Reader(), Captchas: captcha.New(h.Redis, own), Passwords: password.NewStore(own, h.Hashing), Keys: own,
		Channels: channels{h.Sessions}, Clock: h.Clock, Log: h.Log,
		Downstream: h.Metrics.Downstream,
	}
	if s.EndsSessions {
		lent.EndSession = h.Sessions.EndCustomer
	}
	return lent
}

// ring returns a view of the keys: only the purposes that the Spec declares.
func ring(h *host.Host, s Spec) *keys.Ring {
	if h.Keys == nil {
		return nil
	}
	return h.Keys.Only(s.Keys...)
}

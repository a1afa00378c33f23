package fn

import (
	"context"
	"log/slog"
	"time"

	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
)

// Lent is what the runtime lends an operation. There is no way in it to commit:
// an operation reads through DB, and fills the unit that the runtime commits. Nor
// does it hold a Redis client: sessions and rates are the runtime's own.
type Lent struct {
	DB       pg.Reader
	Captchas *captcha.Store
	Keys     *keys.Ring // of the purposes that the Spec declares
	Channels Channels
	Clock    clock.Clock
	Log      *slog.Logger
}

// Channels is where a new secure channel is remembered (shared/session).
type Channels interface {
	OpenChannel(ctx context.Context, id channel.ID, opened session.Channel) error
	ChannelLife() time.Duration
}

func lend(h *host.Host, s Spec) *Lent {
	own := ring(h, s)
	return &Lent{
		DB: h.DB.Reader(), Captchas: captcha.New(h.Redis, own), Keys: own, Channels: h.Sessions, Clock: h.Clock, Log: h.Log,
	}
}

// ring holds the keys of the purposes that a Spec declares, and no others.
func ring(h *host.Host, s Spec) *keys.Ring {
	if h.Keys == nil {
		return nil
	}
	return h.Keys.Only(s.Keys...)
}

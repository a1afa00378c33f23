package fn

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
)

const (
	refusedWait  = 500 * time.Millisecond // for counting a refused call; the caller waits for its answer
	refusedBatch = 200                    // records of one transaction
)

// uncompared reports whether a caller without a login was refused before the operation
// compared anything with what the bank knows: a malformed request, a missing or wrong
// graphic code, or a used-up quota.
func (c *call) uncompared(refused error) bool {
	if refused == nil || c.CustomerID != uuid.Nil || c.about != uuid.Nil || c.reason != "" {
		return false
	}
	e := bankerr.From(refused)
	switch e.Kind() {
	case bankerr.Invalid, bankerr.TooMany:
		return true
	default:
		return errors.Is(e, captcha.ErrRequired) || errors.Is(e, captcha.ErrRejected)
	}
}

// countRefused counts a call that was refused before it was admitted: a frame that is
// replayed, stale, above the rate or without an envelope, or a call without the login
// that it needs. It also counts a call that was refused before anything was compared
// (uncompared). Strangers can send as many of these as they like, so a row for each
// would delay all events of the bank. If Redis can't count the call, only the log shows
// it.
func (c *call) countRefused(ctx context.Context, refused error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusedWait)
	defer cancel()
	err := c.host.Sessions.CountRefused(ctx, session.Refused{
		Channel: c.Channel, Code: outcome(refused), Function: c.spec.Name, DeviceID: c.DeviceID, IP: c.IP,
		Trace: traceID(ctx), Category: string(c.spec.Audit),
	})
	if err != nil {
		c.host.Log.LogAttrs(ctx, slog.LevelWarn, "refused call not counted", slog.String("function", c.spec.Name),
			slog.Any("cause", err), slog.String("trace", traceID(ctx)))
	}
}

// RecordRefused writes the access records of the calls that countRefused has counted: one
// record for each channel, code and minute, with the number of calls. It writes the
// records of complete minutes, each once.
func RecordRefused(ctx context.Context, h *host.Host) error {
	return h.Sessions.RecordRefused(ctx, func(ctx context.Context, counts []session.RefusedCount) error {
		for batch := range slices.Chunk(counts, refusedBatch) {
			var unit pg.Unit
			for _, c := range batch {
				if err := emitRefused(ctx, &unit, c); err != nil {
					return err
				}
			}
			if err := h.DB.Commit(ctx, &unit); err != nil {
				return err
			}
		}
		return nil
	})
}

func emitRefused(ctx context.Context, unit *pg.Unit, c session.RefusedCount) error {
	event := events.AccessRecorded{
		Function: c.First.Function, Outcome: c.First.Code, DeviceID: c.First.DeviceID, IP: c.First.IP, Trace: c.First.Trace,
		Category: c.First.Category, Count: c.Count, Since: c.Minute.Format(time.RFC3339),
	}
	if c.First.Channel != (channel.ID{}) {
		event.Channel = hex.EncodeToString(c.First.Channel[:])
	}
	return events.EmitOnce(ctx, unit, refusedID(c), event.Function, event)
}

// refusedID makes the same UUIDv7 of the same minute, channel and code, so that a
// repetition writes no second record.
func refusedID(c session.RefusedCount) uuid.UUID {
	var id uuid.UUID
	digest := sm.Digest([]byte(c.Minute.UTC().Format(time.RFC3339)), c.First.Channel[:], []byte(c.First.Code))
	copy(id[:], digest)
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(c.Minute.Add(time.Minute).UnixMilli())<<16)
	copy(id[:6], at[:6])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

package client_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/test/check"
)

// An app whose clock is wrong takes the bank's time from the sealed refusal, runs the call
// once more on the same channel, and keeps the difference.
func TestAWrongClockIsCorrected(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		f := newFake(t, func(c *call) (*http.Response, error) {
			if time.Since(c.header.Time).Abs() > 5*time.Minute {
				return c.refuse(http.StatusBadRequest, "FRAME_REJECTED"), nil
			}
			return good(c)
		})
		config := f.config()
		config.Now = func() time.Time { return time.Now().Add(wrong) }
		app := client.New(config)
		var got reply
		for range 2 {
			check.Must(t, app.Call(t.Context(), "x-y", struct{}{}, &got))
		}
		if len(f.seen()) != 3 || len(f.channels) != 1 {
			t.Errorf("%v: %d frames on %d channels, want 3 on 1", wrong, len(f.seen()), len(f.channels))
		}
		wantUnique(t, f)
	}
}

// The bank may have forgotten the channel, and the clock may be wrong, in any order.
func TestAWrongClockOnAnExpiredChannel(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"the clock first": "FRAME_REJECTED", "the channel first": "CHANNEL_EXPIRED"} {
		var answered atomic.Int64
		f := newFake(t, nil)
		f.script = func(c *call) (*http.Response, error) {
			wrong := time.Since(c.header.Time).Abs() > 5*time.Minute
			switch {
			case answered.Add(1) == 1 && first == "CHANNEL_EXPIRED":
				return c.refuse(http.StatusUnauthorized, first), nil
			case wrong:
				return c.refuse(http.StatusBadRequest, "FRAME_REJECTED"), nil
			case len(f.channels) == 1:
				return c.refuse(http.StatusUnauthorized, "CHANNEL_EXPIRED"), nil
			}
			return good(c)
		}
		config := f.config()
		config.Now = func() time.Time { return time.Now().Add(time.Hour) }
		if err := client.New(config).Call(t.Context(), "x-y", struct{}{}, &reply{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Anyone on the way can write a refusal in clear, also one that invents a time. A second
// sealed refusal is the bank's answer.
func TestOnlyASealedRefusalCorrectsTheClock(t *testing.T) {
	t.Parallel()
	inClear := newFake(t, func(*call) (*http.Response, error) {
		return answer(http.StatusBadRequest, "application/problem+json", []byte(`{"code":"FRAME_REJECTED"}`)), nil
	})
	sealed := newFake(t, func(c *call) (*http.Response, error) { return c.refuse(http.StatusBadRequest, "FRAME_REJECTED"), nil })
	foreign := newFake(t, func(c *call) (*http.Response, error) {
		frame, err := channel.SealReply(channel.Keys{}, c.header, time.Now().Add(time.Hour), c.function, http.StatusBadRequest, nil)
		return answer(http.StatusBadRequest, channel.MediaType, frame), err
	})
	for name, tt := range map[string]struct {
		bank *fake
		want int
		err  error
	}{
		"in clear":     {inClear, 1, &client.Problem{Code: "FRAME_REJECTED"}},
		"sealed twice": {sealed, 2, &client.Problem{Code: "FRAME_REJECTED"}},
		"by another":   {foreign, 1, client.ErrBank},
	} {
		err := tt.bank.app().Call(t.Context(), "x-y", struct{}{}, &reply{})
		if !errors.Is(err, tt.err) || len(tt.bank.seen()) != tt.want {
			t.Errorf("%s: %v after %d frames, want %d", name, err, len(tt.bank.seen()), tt.want)
		}
		for _, c := range tt.bank.seen() {
			if time.Since(c.header.Time).Abs() > time.Minute {
				t.Errorf("%s: a frame is dated %v", name, c.header.Time)
			}
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	channelopen "github.com/tidebank/tidebank/functions/channel/open"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/session"
)

// handshakeRatio measures whole handshakes over HTTP at channel-open: the app's keys, the
// hello, the bank's answer, its channel in Redis, and the app's keys of the channel. One
// app opens channels of both versions in turn.
func handshakeRatio(ctx context.Context, m *machine, o options) error {
	fmt.Println("\nHandshakes over HTTP: SM2, and SM2 with ML-KEM-768")
	h, err := host.Open(ctx, host.Config{
		Keys: keys.Config{File: m.keysFile()}, Redis: redisdb.Config{URL: m.redisURL},
		Session: session.Config{ChannelLife: time.Hour, Unproved: 10 * time.Second, Idle: 10 * time.Minute, Hellos: 1 << 30},
		Limits:  host.Limits{BodyBytes: 64 << 10, RateScale: 1_000_000},
	}, channelopen.Function.Needs())
	if err != nil {
		return err
	}
	defer h.Close()
	entry, err := channelopen.Function.Open(ctx, h, host.Values())
	if err != nil {
		return err
	}
	server := httptest.NewServer(h.Mux(channelopen.Function.Spec.Name, entry))
	defer server.Close()
	app := &handshaker{m: m, http: server.Client(), url: server.URL}
	if _, err := app.openFor(ctx, false, time.Second); err != nil { // warms connections
		return err
	}
	// Many short rounds, because the machine's speed changes from second to second.
	rounds, each := 10*o.rounds, o.round/10
	var first, second []float64
	for range rounds {
		for _, hybrid := range []bool{false, true} {
			took, err := app.openFor(ctx, hybrid, each)
			if err != nil {
				return err
			}
			if hybrid {
				second = append(second, took)
			} else {
				first = append(first, took)
			}
		}
	}
	say("%-28s %8.0f µs", "version 1: SM2", median(first))
	say("%-28s %8.0f µs", "version 2: with ML-KEM-768", median(second))
	ratio("handshake_v2_vs_v1", median(second)/median(first), 1.5)
	return nil
}

// handshaker is an app that opens channels, one after the other.
type handshaker struct {
	m    *machine
	http *http.Client
	url  string
}

// openFor opens channels for the given time, and returns how long one took, in µs.
func (a *handshaker) openFor(ctx context.Context, hybrid bool, length time.Duration) (micros float64, err error) {
	began, count := time.Now(), 0
	for time.Since(began) < length {
		if err := a.open(ctx, hybrid); err != nil {
			return 0, fmt.Errorf("handshake: %w", err)
		}
		count++
	}
	return float64(time.Since(began).Microseconds()) / float64(count), nil
}

func (a *handshaker) open(ctx context.Context, hybrid bool) error {
	pinned := a.m.ring.Public(keys.Channel)
	app, err := channel.NewClient("bench-device", pinned)
	if err != nil {
		return err
	}
	if hybrid {
		if err := app.OfferHybrid(); err != nil {
			return err
		}
	}
	hello, err := json.Marshal(app.Hello())
	if err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(hello))
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	answer, err := a.http.Do(request)
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	defer answer.Body.Close()
	var welcome channel.Welcome
	if err := json.NewDecoder(answer.Body).Decode(&welcome); err != nil {
		return fmt.Errorf("welcome: %w", err)
	}
	if answer.StatusCode != http.StatusOK || welcome.Hybrid() != hybrid {
		return fmt.Errorf("%w: status %d, version 2 %v", errRefused, answer.StatusCode, welcome.Hybrid())
	}
	_, _, err = app.Finish(welcome, pinned)
	return err
}

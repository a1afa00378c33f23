package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/functions"
	otpsend "github.com/tidebank/tidebank/functions/otp/send"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/workers"
	"github.com/tidebank/tidebank/workers/relay"
	"github.com/tidebank/tidebank/workers/upkeep"
)

const (
	floodSenders = 4                      // strangers who send refused frames as fast as they can
	codeEvery    = 100 * time.Millisecond // pause between two customers who ask for a code
	codeWait     = 30 * time.Second
)

// floodDelivery measures how long a customer waits for a one-time code, from the call
// of otp-send to the text at the SMS gateway. Meanwhile strangers send frames that are
// refused before they are admitted, and a backlog of other events is delivered.
func floodDelivery(ctx context.Context, m *machine, o options) error {
	codes, backlog := 150, 20_000
	if o.quick {
		codes, backlog = 50, 5_000
	}
	fmt.Printf("\nCodes under a flood: %d strangers, a backlog of %d events\n", floodSenders, backlog)
	callers, err := newCallers(ctx, m, codes+floodSenders)
	if err != nil {
		return err
	}
	phones := &phones{arrived: map[string]time.Time{}}
	texts := httptest.NewServer(phones)
	defer texts.Close()
	address, stopBank, err := openBank(ctx, m, texts.URL)
	if err != nil {
		return err
	}
	defer stopBank()
	if err := fillOutbox(ctx, m.db, backlog); err != nil {
		return err
	}
	floodCtx, stop := context.WithCancel(ctx)
	flood := &flood{url: address + "/function/" + otpsend.Function.Spec.Name}
	var strangers errgroup.Group
	for _, c := range callers[codes:] {
		strangers.Go(func() error { return flood.send(floodCtx, c) })
	}
	took, err := askAll(ctx, callers[:codes], flood.url, phones)
	stop()
	if err := errors.Join(err, strangers.Wait()); err != nil {
		return err
	}
	var left int
	if err := m.db.Pool().QueryRow(ctx, "SELECT count(*) FROM delivery WHERE state = 'due'").Scan(&left); err != nil {
		return fmt.Errorf("deliveries: %w", err)
	}
	say("%-28s %8d frames refused, %d deliveries still waiting", "flood", flood.refused.Load(), left)
	say("%-28s %8.1f ms p50, %.1f ms p99", "code at the gateway", percentile(took, 50), percentile(took, 99))
	ratio("otp_delivery_p99_under_flood_ms", percentile(took, 99), 1000)
	return nil
}

// phones is the SMS gateway. It notes when each number got its text.
type phones struct {
	mu      sync.Mutex
	arrived map[string]time.Time
}

func (p *phones) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m sms.Message
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	if _, again := p.arrived[m.Phone]; !again {
		p.arrived[m.Phone] = time.Now()
	}
	p.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

var errNoText = errors.New("no text came")

// await returns when the number got its text.
func (p *phones) await(phone string) (time.Time, error) {
	for end := time.Now().Add(codeWait); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		at, found := p.arrived[phone]
		p.mu.Unlock()
		if found {
			return at, nil
		}
	}
	return time.Time{}, errNoText
}

// openBank runs every function and worker in this process, as the local bank does, with
// the rates of production.
func openBank(ctx context.Context, m *machine, smsURL string) (address string, stop func(), err error) {
	h, err := host.Open(ctx, host.Config{
		DB: pg.Config{URL: m.postgres.URL("bank"), MaxConns: 32}, Keys: keys.Config{File: m.keysFile()},
		Redis:   redisdb.Config{URL: m.redisURL},
		Session: session.Config{ChannelLife: 12 * time.Hour, Idle: 10 * time.Minute},
		Limits:  host.Limits{BodyBytes: 64 << 10, RateScale: 1},
	}, host.Needs{DB: true, Redis: true, Purposes: keys.All()})
	if err != nil {
		return "", nil, err
	}
	h.Log = host.NewLogger(io.Discard)
	gw, err := gateway.New(ctx, functions.All(), h, host.Values(sms.Config{URL: smsURL, Secret: "bench"},
		face.Policy{MaxAge: 24 * time.Hour}, face.Config{URL: "http://127.0.0.1:1", Secret: "bench", Timeout: time.Second}))
	if err != nil {
		return "", nil, err
	}
	local := &broker.Broker{DB: h.DB, Log: h.Log, Subscriptions: functions.Subscriptions(), Deliver: gw.Deliver}
	configs := map[string]any{
		relay.Worker.Spec.Name:  relay.Config{Sink: local, Lease: 10 * time.Second, Batch: 200},
		upkeep.Worker.Spec.Name: upkeep.Config{FoldEvery: time.Second, PruneEvery: 10 * time.Minute},
	}
	workCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var working sync.WaitGroup
	working.Go(func() { local.Run(workCtx) })
	for _, w := range workers.All() {
		if w.Spec.Probes || w.Spec.Queues {
			continue
		}
		work, err := w.Start(ctx, h, host.Values(configs[w.Spec.Name]))
		if err != nil {
			cancel()
			return "", nil, err
		}
		working.Go(func() { work(workCtx) })
	}
	server := httptest.NewServer(gw)
	return server.URL, func() {
		cancel()
		working.Wait()
		server.Close()
		h.Close()
	}, nil
}

const sqlBacklog = `-- bench.backlog
INSERT INTO outbox (id, type, subject, customerhash, data, lane)
SELECT gen_random_uuid(), $1, 'account-overview', '', $2, 'events' FROM generate_series(1, $3)`

func fillOutbox(ctx context.Context, db *pg.DB, rows int) error {
	data, err := json.Marshal(events.AccessRecorded{Function: "account-overview", Outcome: "OK", Category: "read", Trace: "bench"})
	if err != nil {
		return fmt.Errorf("backlog: %w", err)
	}
	if _, err := db.Pool().Exec(ctx, sqlBacklog, events.TypeAccessRecorded, data, rows); err != nil {
		return fmt.Errorf("backlog: %w", err)
	}
	return nil
}

// flood sends frames that are refused before they are admitted.
type flood struct {
	url     string
	refused atomic.Int64
}

// send sends, in turn, a replayed frame, a stale frame, and a frame above the rate.
func (f *flood) send(ctx context.Context, c *caller) error {
	clear := []byte(`{"request":{"purpose":"login","phone":"13999999999"}}`)
	replayed, err := c.frame(time.Now(), clear)
	if err != nil {
		return err
	}
	stale, err := c.frame(time.Now().Add(-time.Hour), clear)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		fresh, err := c.frame(time.Now(), clear)
		if err != nil {
			return err
		}
		for _, frame := range [][]byte{replayed, stale, fresh} {
			status, err := postFrame(ctx, f.url, frame)
			if err != nil && ctx.Err() == nil {
				return err
			}
			if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
				f.refused.Add(1)
			}
		}
	}
	return nil
}

// askForCode is the request of a customer whose phone proves its bound key.
func (c *caller) askForCode() ([]byte, error) {
	public, err := c.device.Public().Marshal()
	if err != nil {
		return nil, err
	}
	signature, err := sm.Sign(c.device, device.Text(c.channel, c.deviceID, public))
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{"request": otpsend.Request{
		Purpose: "login", Phone: c.customer.Phone, DevicePublicKey: public, DeviceSignature: signature,
	}})
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return body, nil
}

func (c *caller) frame(at time.Time, clear []byte) ([]byte, error) {
	c.sequence++
	h := channel.Header{ID: c.channel, Sequence: c.sequence, Time: at}
	return channel.SealRequest(c.keys, h, http.MethodPost, otpsend.Function.Spec.Name, clear)
}

func postFrame(ctx context.Context, url string, frame []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(frame))
	if err != nil {
		return 0, fmt.Errorf("call: %w", err)
	}
	req.Header.Set("Content-Type", channel.MediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("call: %w", err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be reused
	_ = resp.Body.Close()                 // the status has been read
	return resp.StatusCode, nil
}

// askAll lets the customers ask for a code, one after the other, and measures how long
// each waits for the text.
func askAll(ctx context.Context, callers []*caller, url string, phones *phones) ([]time.Duration, error) {
	took := make([]time.Duration, len(callers))
	var group errgroup.Group
	for i, c := range callers {
		time.Sleep(codeEvery)
		group.Go(func() error {
			body, err := c.askForCode()
			if err != nil {
				return err
			}
			frame, err := c.frame(time.Now(), body)
			if err != nil {
				return err
			}
			start := time.Now()
			status, err := postFrame(ctx, url, frame)
			if err != nil {
				return err
			}
			if status != http.StatusOK {
				return fmt.Errorf("%w: %d", errRefused, status)
			}
			at, err := phones.await(c.customer.Phone)
			took[i] = at.Sub(start)
			return err
		})
	}
	return took, group.Wait()
}

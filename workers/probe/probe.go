package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/events/sink"
	"github.com/tidebank/tidebank/shared/cloudevent"
)

// target is a function as its Spec declares it.
type target struct {
	name string
	by   entrance
}

// entrance is the way to a function.
type entrance int

const (
	byChannel entrance = iota + 1 // a sealed call
	byHTTP                        // a call before there is a channel
	byEvent                       // a delivery of events
)

// Functions names every function that the probe tries.
func Functions() []string {
	var names []string
	for _, t := range declared() {
		names = append(names, t.name)
	}
	return names
}

// deployed are the functions without those that are left out.
func deployed(leftOut []string) []target {
	return slices.DeleteFunc(declared(), func(t target) bool {
		return slices.ContainsFunc(leftOut, func(name string) bool { return strings.TrimSpace(name) == t.name })
	})
}

// answersAtOnce bounds the harmless requests under way.
const answersAtOnce = 4

// round tries everything once.
func (p *prober) round(ctx context.Context) error {
	p.journey(ctx)
	slots := make(chan struct{}, answersAtOnce)
	var all sync.WaitGroup
	for _, t := range p.targets {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			_ = p.watch().try(ctx, t.name, StepAnswers, func(ctx context.Context) error { return p.answers(ctx, t) })
		})
	}
	all.Wait()
	return nil
}

// strange is the only field of a harmless request. No function takes it, so each function
// refuses the request before it does anything, and names the field.
const strange = "business_probe"

var harmless = map[string]any{strange: true}

var errAnswer = errors.New("not the expected answer")

// expected reports whether a refusal is the known answer to a harmless request. Without a
// login, that is the refusal to a stranger; the journey reports a login that fails.
func expected(p *client.Problem) bool {
	return p.Code == "INPUT_INVALID" && p.Field == strange || p.Code == "SESSION_REQUIRED" || p.Code == "SESSION_DISPLACED"
}

// answers reports whether a function gives the known answer to a harmless request.
func (p *prober) answers(ctx context.Context, t target) error {
	switch t.by {
	case byEvent:
		return p.emptyBatch(ctx, t.name)
	case byHTTP:
		return p.unsealed(ctx, t.name)
	case byChannel:
	}
	var reply json.RawMessage
	err := p.app.Call(ctx, t.name, harmless, &reply)
	var refused *client.Problem
	if errors.As(err, &refused) && expected(refused) {
		return nil
	}
	return errors.Join(errAnswer, err)
}

// unsealed calls a function that comes before there is a channel.
func (p *prober) unsealed(ctx context.Context, name string) error {
	body, err := json.Marshal(harmless)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	var refused client.Problem
	status, answer, err := p.post(ctx, strings.TrimSuffix(p.config.URL, "/")+"/function/"+name, "application/json", body)
	if err != nil {
		return err
	}
	if json.Unmarshal(answer, &refused) != nil || !expected(&refused) {
		return fmt.Errorf("%w: %d", errAnswer, status)
	}
	return nil
}

// emptyBatch delivers no event to an event function, which answers 202.
func (p *prober) emptyBatch(ctx context.Context, name string) error {
	status, _, err := p.post(ctx, sink.Address(p.config.EventsURL, name), cloudevent.BatchJSON, []byte("[]"))
	if err == nil && status != http.StatusAccepted {
		err = fmt.Errorf("%w: %d", errAnswer, status)
	}
	return err
}

const maxAnswer = 1 << 20

func (p *prober) post(ctx context.Context, url, media string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("probe: %w", err)
	}
	req.Header.Set("Content-Type", media)
	return p.do(req)
}

func (p *prober) do(req *http.Request) (status int, answer []byte, err error) {
	resp, err := p.http.Do(req) //nolint:gosec // the address is the operator's
	if err != nil {
		return 0, nil, fmt.Errorf("probe: %w", err)
	}
	defer resp.Body.Close() // the body has been read, or the caller gets the error
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("probe: %w", err)
	}
	return resp.StatusCode, answer, nil
}

// due reports whether a time of the given length is over since the last time.
func due(last, now time.Time, every time.Duration) bool {
	return last.IsZero() || now.Sub(last) >= every
}

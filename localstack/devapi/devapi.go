// Package devapi is a client of the local bank's developer page: new customers, their
// text messages, and events with their deliveries. The demo and the tests of the
// whole bank use it. Production has no such page.
package devapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// API is the developer page of the bank at Base.
type API struct{ Base string }

// Person is a customer of the bank who has not signed up for mobile banking.
type Person struct {
	Name         string `json:"name"`
	IDNo         string `json:"id_no"`
	CardNo       string `json:"card_no"`
	CardPassword string `json:"card_password"`
	Phone        string `json:"phone"`
}

// Event is an event with its deliveries.
type Event struct {
	ID         string     `json:"id"`
	Type       string     `json:"type"`
	Deliveries []Delivery `json:"deliveries"`
}

// Delivery is the delivery of an event to one consumer, with its state: due, done or
// dead.
type Delivery struct {
	Consumer string `json:"consumer"`
	State    string `json:"state"`
}

// ErrDev reports an unexpected answer of the page.
var ErrDev = errors.New("developer page")

func (d API) do(ctx context.Context, method, path string, into any) error {
	return d.send(ctx, method, path, nil, into)
}

func (d API) send(ctx context.Context, method, path string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, d.Base+path, body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer resp.Body.Close() // the body has been read, or the caller gets the error
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s answered %d: %s", ErrDev, path, resp.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Certificate is the bank's channel certificate in DER, for pinning.
func (d API) Certificate(ctx context.Context) ([]byte, error) {
	var bank struct {
		Certificate []byte `json:"channel_certificate"`
	}
	err := d.do(ctx, http.MethodGet, "/dev/bank.json", &bank)
	return bank.Certificate, err
}

// NewCustomer makes a person with a funded account.
func (d API) NewCustomer(ctx context.Context) (Person, error) {
	var p Person
	err := d.do(ctx, http.MethodPost, "/dev/customers", &p)
	return p, err
}

// Captcha gives a graphic code an answer and returns it.
func (d API) Captcha(ctx context.Context, id string) (string, error) {
	var code struct {
		Answer string `json:"answer"`
	}
	err := d.do(ctx, http.MethodPost, "/dev/captcha?id="+url.QueryEscape(id), &code)
	return code.Answer, err
}

// Clock is the bank's clock: its time, and how far it is ahead of the machine's.
type Clock struct {
	Now   time.Time `json:"now"`
	Ahead string    `json:"ahead"`
}

// Clock reads the bank's clock.
func (d API) Clock(ctx context.Context) (Clock, error) {
	var c Clock
	err := d.do(ctx, http.MethodGet, "/dev/clock", &c)
	return c, err
}

// Advance moves the bank's clock forward.
func (d API) Advance(ctx context.Context, by time.Duration) (Clock, error) {
	var c Clock
	err := d.send(ctx, http.MethodPost, "/dev/clock", strings.NewReader(`{"advance":"`+by.String()+`"}`), &c)
	return c, err
}

// Texts lists a phone's messages, newest first.
func (d API) Texts(ctx context.Context, phone string) ([]string, error) {
	var list []struct {
		Text string `json:"text"`
	}
	err := d.do(ctx, http.MethodGet, "/dev/sms?phone="+url.QueryEscape(phone), &list)
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = m.Text
	}
	return texts, err
}

var sixDigits = regexp.MustCompile(`验证码(\d{6})`)

// Code makes the call that asks for a code, waits for a text for the purpose, and reads
// the code in it. Only texts that come after the call count: a notice may overtake the
// code, and an earlier code may be for the same purpose.
func (d API) Code(ctx context.Context, phone, purpose string, ask func() error) (code, text string, err error) {
	before, err := d.Texts(ctx, phone)
	if err != nil {
		return "", "", err
	}
	if err := ask(); err != nil {
		return "", "", err
	}
	err = Until(ctx, "等待短信验证码", func() (bool, error) {
		texts, err := d.Texts(ctx, phone)
		if err != nil {
			return false, err
		}
		for _, t := range texts[:max(len(texts)-len(before), 0)] {
			if match := sixDigits.FindStringSubmatch(t); match != nil && strings.Contains(t, purpose) {
				code, text = match[1], t
				return true, nil
			}
		}
		return false, nil
	})
	return code, text, err
}

// Events lists the events about a subject, with their deliveries.
func (d API) Events(ctx context.Context, subject string) ([]Event, error) {
	var list []Event
	err := d.do(ctx, http.MethodGet, "/dev/events?subject="+url.QueryEscape(subject), &list)
	return list, err
}

// ErrWaited reports that a condition did not become true in time.
var ErrWaited = errors.New("没有等到 (timed out)")

// Until polls until done returns true or an error, for at most 15 seconds.
func Until(ctx context.Context, what string, done func() (bool, error)) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s", ErrWaited, what)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

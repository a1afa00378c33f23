package main

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

// devAPI is the local bank's developer page as the demo uses it.
type devAPI struct{ base string }

type person struct {
	Name         string `json:"name"`
	IDNo         string `json:"id_no"`
	CardNo       string `json:"card_no"`
	CardPassword string `json:"card_password"`
	Phone        string `json:"phone"`
}

type event struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Deliveries []struct {
		Consumer string `json:"consumer"`
		State    string `json:"state"`
	} `json:"deliveries"`
}

var errDev = errors.New("developer page")

func (d devAPI) do(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer resp.Body.Close() // all was read, or the error is told
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s answered %d: %s", errDev, path, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func (d devAPI) certificate(ctx context.Context) ([]byte, error) {
	var bank struct {
		Certificate []byte `json:"channel_certificate"`
	}
	err := d.do(ctx, http.MethodGet, "/dev/bank.json", &bank)
	return bank.Certificate, err
}

func (d devAPI) newCustomer(ctx context.Context) (person, error) {
	var p person
	err := d.do(ctx, http.MethodPost, "/dev/customers", &p)
	return p, err
}

// texts lists a phone's messages, newest first.
func (d devAPI) texts(ctx context.Context, phone string) ([]string, error) {
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

// code waits for a text for a purpose and reads its code.
func (d devAPI) code(ctx context.Context, phone, purpose string) (code, text string, err error) {
	err = until(ctx, "等待短信验证码", func() (bool, error) {
		texts, err := d.texts(ctx, phone)
		if err != nil || len(texts) == 0 {
			return false, err
		}
		match := sixDigits.FindStringSubmatch(texts[0])
		if match == nil || !strings.Contains(texts[0], purpose) {
			return false, nil
		}
		code, text = match[1], texts[0]
		return true, nil
	})
	return code, text, err
}

func (d devAPI) events(ctx context.Context, subject string) ([]event, error) {
	var list []event
	err := d.do(ctx, http.MethodGet, "/dev/events?subject="+url.QueryEscape(subject), &list)
	return list, err
}

var errWaited = errors.New("没有等到 (timed out)")

// until polls with a deadline.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s", errWaited, what)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

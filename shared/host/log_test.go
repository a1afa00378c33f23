package host_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/host"
)

const (
	idNo   = "11010119900307001X"
	cardNo = "6228480000000100011"
	secret = "tide-2026x"
)

// phoneNo is what must never be seen outside.
const phoneNo = "13812345678"

// person is a value that says itself how it is logged.
type person struct{ phone string }

// LogValue gives the phone away.
func (p person) LogValue() slog.Value { return slog.StringValue("phone " + p.phone) }

// Whatever way personal data and secrets come into a log line, they are struck out
// of it, and the rest stays to be read.
func TestLogsAreRedacted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		attr slog.Attr
		kept string
	}{
		{"a phone", slog.String("note", "call "+phoneNo+" back"), "call [redacted] back"},
		{"a card", slog.String("note", cardNo), "[redacted]"},
		{"an identity number", slog.String("note", "("+idNo+")"), "([redacted])"},
		{"a small x", slog.String("note", strings.ToLower(idNo)), "[redacted]"},
		{"two of them", slog.String("note", phoneNo+","+cardNo), "[redacted],[redacted]"},
		{"an error", slog.Any("cause", fmt.Errorf("insert %s: %w", phoneNo, errors.New("dup"))), "insert [redacted]: dup"},
		{"a refusal's cause", slog.Any("cause", bankerr.ErrInput.Because(errors.New(cardNo))), "INPUT_INVALID: [redacted]"},
		{"joined errors", slog.Any("cause", errors.Join(errors.New(idNo), errors.New("kept"))), "kept"},
		{"in a group", slog.Group("request", slog.String("to", phoneNo), slog.Int("n", 7)), `"n":7`},
		{"deeper", slog.Group("a", slog.Group("b", slog.Any("c", errors.New(phoneNo)))), "[redacted]"},
		{"a value that logs itself", slog.Any("who", person{phoneNo}), "phone [redacted]"},
		{"a password", slog.String("password", secret), "[redacted]"},
		{"a login password", slog.String("login_password", secret), "[redacted]"},
		{"capitals", slog.String("TradePassword", secret), "[redacted]"},
		{"a code", slog.String("otp", secret), "[redacted]"},
		{"a pin", slog.String("card_pin", secret), "[redacted]"},
		{"a token", slog.Any("access_token", []byte(secret)), "[redacted]"},
		{"a signature", slog.Any("signature", secret), "[redacted]"},
		{"a secret that is no text", slog.Any("client_secret", []string{secret}), "[redacted]"},
		{"a secret in a group", slog.Group("request", slog.String("password", secret)), "[redacted]"},
	} {
		var line bytes.Buffer
		log := host.NewLogger(&line)
		log.Info("message", tt.attr)
		log.With(tt.attr).Info("message")
		log.WithGroup("group").Info("message", tt.attr)
		for one := range strings.Lines(line.String()) {
			if !json.Valid([]byte(one)) || !strings.Contains(one, tt.kept) || !strings.Contains(one, `"message"`) {
				t.Errorf("%s: want %q kept in %s", tt.name, tt.kept, one)
			}
		}
		for _, clear := range []string{phoneNo, cardNo, idNo, strings.ToLower(idNo), secret} {
			if strings.Contains(line.String(), clear) {
				t.Errorf("%s: %q stands in %s", tt.name, clear, line.String())
			}
		}
	}
}

func TestMessagesAreRedacted(t *testing.T) {
	t.Parallel()
	var line bytes.Buffer
	host.NewLogger(&line).Info("sent to " + phoneNo)
	if got := line.String(); strings.Contains(got, phoneNo) || !strings.Contains(got, `"msg":"sent to [redacted]"`) {
		t.Error(got)
	}
}

// What a service desk looks for is no personal data.
func TestLogsKeepWhatHelps(t *testing.T) {
	t.Parallel()
	for _, kept := range []string{
		"4bf92f3577b34da6a3ce929d0e0e4736", "0190a6e2-7c11-7abc-8def-0123456789ab", "138****5678", "622848*********0011",
		"12345678901234", "transfer-confirm", "20261123",
	} {
		var line bytes.Buffer
		host.NewLogger(&line).Info("x", slog.String("note", kept))
		if !strings.Contains(line.String(), `"`+kept+`"`) {
			t.Errorf("%q became %s", kept, line.String())
		}
	}
}

type stringer struct{ phone string }

func (s stringer) String() string { return s.phone }

func TestLogsShowNothingHoweverItIsWrapped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		attr slog.Attr
	}{
		{"a struct", slog.Any("request", struct{ Phone string }{phoneNo})},
		{"a pointer", slog.Any("request", &struct{ Phone string }{phoneNo})},
		{"a map", slog.Any("request", map[string]any{"x": []string{phoneNo}})},
		{"a slice", slog.Any("list", []string{phoneNo})},
		{"raw JSON", slog.Any("body", json.RawMessage(`{"x":"`+phoneNo+`"}`))},
		{"a secret in a struct", slog.Any("request", struct {
			Password string `json:"password"`
		}{secret})},
		{"a number", slog.Int64("phone", 13812345678)},
		{"a key", slog.Int(phoneNo, 1)},
		{"a group with a secret name", slog.Group("password", slog.String("value", secret))},
		{"errors in a slice", slog.Any("errs", []error{fmt.Errorf("%s", phoneNo)})},
		{"stringer", slog.Any("who", stringer{phoneNo})},
	} {
		var line bytes.Buffer
		host.NewLogger(&line).Info("message", tt.attr)
		if s := line.String(); strings.Contains(s, phoneNo) || strings.Contains(s, secret) {
			t.Errorf("%s: %s", tt.name, s)
		}
	}
}

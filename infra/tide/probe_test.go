package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/gateway"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/otptest"
	"github.com/tidebank/tidebank/workers/probe"
)

// The command binds a device of a customer who has signed up. The file holds the customer
// whom the probe needs, and the bank knows the device's key.
func TestEnrolTheProbe(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	nowhere := append(bank.Nowhere(), sms.Config{URL: "http://127.0.0.1:1", Secret: "s"})
	gw, err := gateway.New(t.Context(), functions.All(), b.Host, host.Values(nowhere...))
	check.Must(t, err)
	server := httptest.NewServer(gw)
	t.Cleanup(server.Close)
	who := b.Customer(t, "探测", 100, 0)
	check.Must(t, b.Seeder().SignUp(t.Context(), who, bank.LoginPassword, bank.TradePassword, "", nil))
	dir := t.TempDir()
	pin, err := b.Host.Keys.Public(keys.Channel).Marshal()
	check.Must(t, err)
	check.Must(t, os.WriteFile(filepath.Join(dir, "pin"), pin, 0o600))
	answers := map[string]string{
		"number": who.Phone, "login password": bank.LoginPassword, "trade password": bank.TradePassword, "card": who.Accounts[0].No,
	}
	e := enrolment{
		url: server.URL, pin: filepath.Join(dir, "pin"), device: "business-probe-1", file: filepath.Join(dir, "customer.json"),
		ask: func(what string) (string, error) {
			if what == "code of the text message" {
				var subject string
				row := b.Host.DB.Pool().QueryRow(t.Context(), `SELECT subject FROM otp_challenge ORDER BY expires_at DESC LIMIT 1`)
				err := row.Scan(&subject)
				return otptest.Code(t, b, subject), err
			}
			return answers[what], nil
		},
		solve: func(issued client.CaptchaIssueReply) (string, error) {
			key, value := captcha.Kept(b.Host.Keys, issued.CaptchaID, captchatest.Answer)
			return captchatest.Answer, b.Redis.Set(key, string(value))
		},
	}
	check.Must(t, e.run(t.Context()))
	raw, err := os.ReadFile(e.file)
	check.Must(t, err)
	info, err := os.Stat(e.file)
	check.Must(t, err)
	var made probe.Customer
	check.Must(t, json.Unmarshal(raw, &made))
	device, err := sm.ParsePrivateKey(made.DeviceKey)
	check.Must(t, err)
	public, err := device.Public().Marshal()
	check.Must(t, err)
	bound := check.Count(t, b.Host.DB.Pool(), `SELECT count(*) FROM device WHERE device_id = $1 AND public_key = $2`, made.DeviceID, public)
	if info.Mode().Perm() != 0o600 || made.Phone != who.Phone || len(made.Pins) != 1 || bound != 1 {
		t.Errorf("mode %v, %d pins, %d devices bound", info.Mode(), len(made.Pins), bound)
	}
	if err := e.run(t.Context()); !errors.Is(err, os.ErrExist) {
		t.Errorf("the file is overwritten: %v", err)
	}
	e.file, answers["card"] = filepath.Join(dir, "other.json"), "6228480020000000000"
	b.Advance(2 * time.Minute)
	if err := e.run(t.Context()); err == nil {
		t.Error("a wrong card binds the device")
	}
	if _, err := os.Stat(e.file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file without a bound device is left: %v", err)
	}
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	ask := questions(strings.NewReader("one\r\ntwo"), &out)
	first, err := ask("a")
	check.Must(t, err)
	second, err := ask("b")
	check.Must(t, err)
	if _, err := ask("c"); !errors.Is(err, io.EOF) || first != "one" || second != "two" || out.String() != "a: b: c: " {
		t.Errorf("%q, %q, %v, asked %q", first, second, err, out.String())
	}
}

// Package captchatest solves graphic codes for tests.
package captchatest

import (
	"testing"

	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	channelcaptcha "github.com/tidebank/tidebank/functions/channel/captcha"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// Answer is the right answer to every code of Solved.
const Answer = "604713"

// Solved issues a code and makes Answer its right answer, because no program can read
// the picture.
func Solved(t testing.TB, b *bank.Bank, d *bank.Device) (id string) {
	t.Helper()
	var issued captchaissue.Response
	d.Call(t, captchaissue.Function, "", struct{}{}).Into(t, &issued)
	key, value := captcha.Kept(b.Host.Keys, issued.CaptchaID, Answer)
	if !b.Redis.Exists(key) {
		t.Fatalf("no code was kept under %q", key)
	}
	life := b.Redis.TTL(key)
	if err := b.Redis.Set(key, string(value)); err != nil {
		t.Fatal(err)
	}
	b.Redis.SetTTL(key, life)
	return issued.CaptchaID
}

// ForHello issues a code without a channel and reads its answer.
func ForHello(t testing.TB, b *bank.Bank, d *bank.Device) (id, answer string) {
	t.Helper()
	var issued channelcaptcha.Response
	d.Send(t, channelcaptcha.Function, []byte("{}")).Into(t, &issued)
	answer, _, err := captcha.OpenForHello(b.Host.Keys, issued.CaptchaID)
	check.Must(t, err)
	return issued.CaptchaID, answer
}

// Package captchatest solves graphic codes for tests.
package captchatest

import (
	"testing"

	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/bank"
)

// Answer is the right answer to every code of Solved.
const Answer = "604713"

// Solved issues a code and makes Answer its right answer, because no program can read
// the picture.
func Solved(t testing.TB, b *bank.Bank, d *bank.Device) (id string) {
	t.Helper()
	var issued captchaissue.Response
	d.Call(t, captchaissue.Function, "", struct{}{}).Into(t, &issued)
	key := "captcha:" + issued.CaptchaID
	if !b.Redis.Exists(key) {
		t.Fatalf("no code was kept under %q", key)
	}
	life := b.Redis.TTL(key)
	sum, _ := b.Host.Keys.MAC(keys.Session, []byte("captcha"), []byte(issued.CaptchaID), []byte(Answer))
	if err := b.Redis.Set(key, string(sum)); err != nil {
		t.Fatal(err)
	}
	b.Redis.SetTTL(key, life)
	return issued.CaptchaID
}

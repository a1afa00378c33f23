package captcha_test

import (
	"bytes"
	"image/png"
	"testing"

	channelcaptcha "github.com/tidebank/tidebank/functions/channel/captcha"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// The bank keeps nothing of a code that it draws, whose answer stands in the picture
// only.
func TestACodeCostsNothingToKeep(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	phone := b.Device(t, "phone-of-wang")
	phone.Send(t, channelcaptcha.Function, []byte("{}")).Want(t, "")
	before := len(b.Redis.Keys())
	seen := map[string]bool{}
	for range 20 {
		reply := phone.Send(t, channelcaptcha.Function, []byte("{}"))
		var issued channelcaptcha.Response
		reply.Into(t, &issued)
		picture, err := png.Decode(bytes.NewReader(issued.ImagePNG))
		check.Must(t, err)
		if size := picture.Bounds().Size(); size.X != 240 || size.Y != 80 || issued.ExpiresInS != 120 {
			t.Errorf("the picture is %v, and lives %d s", size, issued.ExpiresInS)
		}
		answer, ends, err := captcha.OpenForHello(b.Host.Keys, issued.CaptchaID)
		if err != nil || len(answer) != 6 || !ends.Equal(b.Clock.Now().Add(captcha.Life)) {
			t.Errorf("the answer is %q until %v, %v", answer, ends, err)
		}
		if bytes.Contains(reply.Body, []byte(`"`+answer+`"`)) || len(issued.CaptchaID) > 64 {
			t.Errorf("the reply is %s", reply.Body)
		}
		seen[issued.CaptchaID] = true
	}
	if len(b.Redis.Keys()) != before || len(seen) != 20 {
		t.Errorf("%d keys after %d; %d ids", len(b.Redis.Keys()), before, len(seen))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	phone := b.Device(t, "phone-of-wang")
	phone.Send(t, channelcaptcha.Function, []byte(`{"digits":1}`)).Want(t, "INPUT_INVALID")
	b.Redis.SetError("down")
	phone.Send(t, channelcaptcha.Function, []byte("{}")).Want(t, "SERVICE_UNAVAILABLE")
}

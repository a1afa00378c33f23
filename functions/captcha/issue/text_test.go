package issue_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	draw "github.com/dchest/captcha"

	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// TestTheTextIsInThePictureOnly finds the text of an issued code, as no client can,
// and looks for it in each field and header of the reply.
func TestTheTextIsInThePictureOnly(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CAPTCHA-001.2")
	b, phone := newPhone(t)
	reply := phone.Call(t, captchaissue.Function, "", struct{}{})
	var fields map[string]json.RawMessage
	reply.Into(t, &fields)
	var issued captchaissue.Response
	reply.Into(t, &issued)
	stored, err := b.Redis.Get("captcha:" + issued.CaptchaID)
	check.Must(t, err)
	text := ""
	for n := range 1_000_000 {
		guess := fmt.Sprintf("%06d", n)
		sum, _ := b.Host.Keys.MAC(keys.Session, []byte("captcha"), []byte(issued.CaptchaID), []byte(guess))
		if string(sum) == stored {
			text = guess
			break
		}
	}
	digits := []byte(text)
	for i := range digits {
		digits[i] -= '0'
	}
	var again bytes.Buffer
	_, err = draw.NewImage(issued.CaptchaID, digits, 240, 80).WriteTo(&again)
	check.Must(t, err)
	if text == "" || !bytes.Equal(again.Bytes(), issued.ImagePNG) {
		t.Fatalf("%q is not the text of the picture", text)
	}
	// Besides picture and id, the reply tells only how long they are good.
	delete(fields, "image_png")
	for name, value := range fields {
		if name != "captcha_id" && name != "expires_in_s" {
			t.Errorf("the reply carries %s", name)
		}
		if bare := strings.ReplaceAll(string(value), "-", ""); strings.Contains(bare, text) {
			t.Errorf("%s holds the text: %s", name, value)
		}
	}
	if bytes.Contains(issued.ImagePNG, []byte(text)) || bytes.Contains(issued.ImagePNG, digits) {
		t.Error("the picture's bytes hold the text")
	}
	for name, values := range reply.Header {
		if strings.Contains(strings.Join(values, " "), text) {
			t.Errorf("the header %s holds the text", name)
		}
	}
}

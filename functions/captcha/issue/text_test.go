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
	"github.com/tidebank/tidebank/test/bank"
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
	text := answer(t, b, issued.CaptchaID)
	digits := numbers(text)
	var again bytes.Buffer
	_, err := draw.NewImage(issued.CaptchaID, digits, 240, 80).WriteTo(&again)
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

// answer finds the answer to an issued code by its MAC.
func answer(t *testing.T, b *bank.Bank, id string) string {
	t.Helper()
	stored, err := b.Redis.Get("captcha:" + id)
	check.Must(t, err)
	for n := range 1_000_000 {
		guess := fmt.Sprintf("%06d", n)
		sum, _ := b.Host.Keys.MAC(keys.Session, []byte("captcha"), []byte(id), []byte(guess))
		if string(sum) == stored {
			return guess
		}
	}
	t.Fatal("no six digits are the answer")
	return ""
}

// numbers are the digits of a text, each from 0 to 9.
func numbers(text string) []byte {
	digits := []byte(text)
	for i := range digits {
		digits[i] -= '0'
	}
	return digits
}

// A customer who can't see a picture gets the digits as a sound and nothing more. Its code is as good as a picture's, once.
func TestACodeIsSpoken(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	var fields map[string]json.RawMessage
	var issued captchaissue.Response
	reply := phone.Call(t, captchaissue.Function, "", map[string]any{"audio": true})
	reply.Into(t, &fields)
	reply.Into(t, &issued)
	if len(fields) != 3 || issued.CaptchaID == "" || issued.ExpiresInS != 120 || issued.ImagePNG != nil {
		t.Errorf("the reply has %d fields: %.100s", len(fields), reply.Body)
	}
	text := answer(t, b, issued.CaptchaID)
	var again bytes.Buffer
	_, err := draw.NewAudio(issued.CaptchaID, numbers(text), "zh").WriteTo(&again)
	check.Must(t, err)
	if !bytes.Equal(again.Bytes(), issued.AudioWAV) {
		t.Fatalf("the sound of %d bytes does not speak %s", len(issued.AudioWAV), text)
	}
	const header = 44 // of a WAVE file: one channel, 8 bits, 8,000 samples a second
	size, rate := len(issued.AudioWAV), issued.AudioWAV[24:28]
	seconds := (size - header) / 8000
	if string(issued.AudioWAV[:4]) != "RIFF" || string(issued.AudioWAV[8:12]) != "WAVE" || seconds < 8 || seconds > 60 ||
		!bytes.Equal(rate, []byte{0x40, 0x1f, 0, 0}) {
		t.Errorf("%d seconds of %q", seconds, issued.AudioWAV[:header])
	}
	if bytes.Contains(issued.AudioWAV, []byte(text)) {
		t.Error("the sound's bytes hold the text")
	}
	if !solves(t, b, issued.CaptchaID, text) || solves(t, b, issued.CaptchaID, text) {
		t.Error("the answer is not good once")
	}
	var picture map[string]json.RawMessage
	phone.Call(t, captchaissue.Function, "", map[string]any{"audio": false}).Into(t, &picture)
	if picture["image_png"] == nil || picture["audio_wav"] != nil {
		t.Error("without the wish for a sound, it is no picture")
	}
}

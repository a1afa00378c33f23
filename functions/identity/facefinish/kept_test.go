package facefinish_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	identityfacefinish "github.com/tidebank/tidebank/functions/identity/facefinish"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/facetest"
	"github.com/tidebank/tidebank/test/req"
)

// A capture that is not sealed to the engine, or that was altered in one byte, never passes. The
// same holds for the request that brings it.
func TestAnUnsealedOrAlteredCaptureIsRefused(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	clear := map[string]string{
		"jpeg": facetest.Image, "png": "\x89PNG\x0d\x0a\x1a\x0a and more", "webp": "RIFF\x10\x00\x00\x00WEBPVP", "gif": "GIF89a and more",
		"mp4": "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
	}
	c := w.begin(t)
	for name, picture := range clear {
		got := w.Phone.Call(t, identityfacefinish.Function, "", identityfacefinish.Request{CheckID: c.ID, Capture: []byte(picture)})
		if got.Code != "INPUT_INVALID" || strings.Contains(w.Log.String(), picture) {
			t.Errorf("%s in clear: %d %q", name, got.Status, got.Code)
		}
	}
	good := w.engine.Captured(t, c, facetest.Good(c, w.photo))
	length := len(good.Capture)
	for _, at := range []int{0, 1, 2, 60, length / 2, length - 1} {
		w.Exec(t, "DELETE FROM face_attempt")
		c := w.begin(t)
		altered := w.engine.Captured(t, c, facetest.Good(c, w.photo))
		altered.Capture = check.Flip(altered.Capture, min(at, len(altered.Capture)-1))
		if got := w.Phone.Call(t, identityfacefinish.Function, "", altered); got.Code != "FACE_REJECTED" {
			t.Errorf("altered at byte %d: %d %q", at, got.Status, got.Code)
		}
	}
	frame := w.Phone.Frame(t, identityfacefinish.Function, "", good)
	for _, at := range []int{len(frame) / 2, len(frame) - 1} {
		if got := w.Phone.Send(t, identityfacefinish.Function, check.Flip(frame, at)); got.Status == http.StatusOK {
			t.Errorf("the request altered at byte %d passes", at)
		}
	}
	if got := w.Phone.Send(t, identityfacefinish.Function, check.JSON(t, good)); got.Status == http.StatusOK {
		t.Error("the request outside the channel passes")
	}
	if n := w.Count(t, "SELECT count(*) FROM face_check WHERE state = 'passed'"); n != 0 {
		t.Errorf("%d checks have passed", n)
	}
	w.Exec(t, "DELETE FROM face_attempt")
	w.Phone.Call(t, identityfacefinish.Function, "", good).Want(t, "")
	req.Covers(t, "BIO-005.1")
}

// traces are the forms in which bytes could stand in a store or log.
func traces(raw []byte) []string {
	middle := raw[len(raw)/3 : len(raw)/3+24]
	forms := []string{string(middle), hex.EncodeToString(middle)}
	for skip := range 3 { // base64 of three bytes depends on where they begin
		forms = append(forms, base64.RawStdEncoding.EncodeToString(raw[len(raw)/3+skip:len(raw)/3+skip+21]))
	}
	return forms
}

// After a check has passed, has failed or was broken off, no store and no log holds the picture or
// the capture. The engine's digest stands in the table of checks, and nowhere else.
func TestNothingOfTheFaceIsKept(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	var sent [][]byte
	finish := func(scene func(*facesim.Scene)) (code string) {
		t.Helper()
		c := w.begin(t)
		s := facetest.Good(c, w.photo)
		s.Image = []byte(strings.Repeat(facetest.Image, 40))
		scene(&s)
		captured := w.engine.Captured(t, c, s)
		sent = append(sent, captured.Capture, s.Image, check.JSON(t, s))
		return w.Phone.Call(t, identityfacefinish.Function, "", captured).Code
	}
	if got := finish(func(*facesim.Scene) {}); got != "" {
		t.Errorf("good: %q", got)
	}
	if got := finish(func(s *facesim.Scene) { s.Photo = true }); got != "FACE_REJECTED" {
		t.Errorf("bad: %q", got)
	}
	w.engine.SetFaults(facesim.Faults{Down: true})
	if got := finish(func(*facesim.Scene) {}); got != "SERVICE_UNAVAILABLE" {
		t.Errorf("engine down: %q", got)
	}
	w.engine.SetFaults(facesim.Faults{})
	w.Exec(t, `
CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.ended_at IS NOT NULL THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(10);
    END IF;
    RETURN NEW;
END $$`)
	w.Exec(t, "CREATE TRIGGER break_off BEFORE UPDATE ON face_check FOR EACH ROW EXECUTE FUNCTION break_off()")
	if got := finish(func(*facesim.Scene) {}); got == "" {
		t.Error("a check that was broken off passes")
	}
	w.Exec(t, "DROP TRIGGER break_off ON face_check")
	if n := w.Count(t, "SELECT count(*) FROM face_check WHERE state = 'tried'"); n != 1 {
		t.Errorf("%d checks are broken off", n)
	}
	stored, cached, log := w.Stored(t), w.Cached(t), w.Log.String()
	for i, raw := range sent {
		for j, form := range traces(raw) {
			if strings.Contains(stored, form) || strings.Contains(cached, form) || strings.Contains(log, form) {
				t.Errorf("form %d of bytes %d is kept", j, i)
			}
		}
	}
	if strings.Contains(stored, "\xff\xd8\xff") || strings.Contains(cached, "\xff\xd8\xff") || strings.Contains(log, `\xff\xd8\xff`) {
		t.Error("something reads as a picture")
	}
	digest := string(sm.Digest([]byte("template"), w.photo.Handle[:]))
	within := regexp.MustCompile(`(?m)^face_check\.template_digest=`)
	for _, form := range []string{digest, hex.EncodeToString([]byte(digest)), base64.StdEncoding.EncodeToString([]byte(digest))} {
		for at := strings.Index(stored, form); at >= 0; at = -1 {
			line := stored[:at]
			if !within.MatchString(line[strings.LastIndex(line, "\n")+1:]) {
				t.Error("the digest stands outside the checks")
			}
		}
		if strings.Contains(cached, form) || strings.Contains(log, form) {
			t.Error("the digest is in the cache or log")
		}
	}
	var templates int
	for _, raw := range check.Column[[]byte](t, w.Host.DB.Pool(), "SELECT template_digest FROM face_check") {
		if len(raw) > 32 {
			t.Errorf("a digest has %d bytes", len(raw))
		}
		templates += len(raw)
	}
	if templates != 64 {
		t.Errorf("the digests have %d bytes, want those of two answers", templates)
	}
	req.Covers(t, "BIO-005.2", "BIO-009.1", "BIO-009.2", "BIO-010.3")
}

// Fault compares the engine's answer with the challenge.
func TestAFault(t *testing.T) {
	t.Parallel()
	if got := (&face.Attempt{ID: uuid.New()}).Fault(face.Result{}); got != "face of another challenge" {
		t.Errorf("an empty result: %q", got)
	}
}

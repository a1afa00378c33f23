package issue_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"image/png"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	captchaissue "github.com/tidebank/tidebank/functions/captcha/issue"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/captchatest"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
	"github.com/tidebank/tidebank/test/req"
)

func newPhone(t *testing.T) (*bank.Bank, *bank.Device) {
	t.Helper()
	b := bank.On(t, pgtest.Broken(t)) // the function needs no database
	return b, b.Device(t, "phone-of-wang")
}

func solves(t *testing.T, b *bank.Bank, id, answer string) bool {
	t.Helper()
	solved, err := captcha.New(b.Host.Redis, b.Host.Keys).Check(t.Context(), id, answer)
	check.Must(t, err)
	return solved
}

// chunks names the parts of a PNG: a text would be one of its own.
func chunks(t *testing.T, image []byte) []string {
	t.Helper()
	var names []string
	for rest := image[8:]; len(rest) >= 12; {
		size := binary.BigEndian.Uint32(rest)
		if int(size)+12 > len(rest) {
			t.Fatalf("a chunk of %d bytes, %d are left", size, len(rest))
		}
		names = append(names, string(rest[4:8]))
		rest = rest[12+size:]
	}
	return slices.Compact(names)
}

func TestReplyHoldsAPictureAndAnID(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	reply := phone.Call(t, captchaissue.Function, "", struct{}{})
	var fields map[string]json.RawMessage
	reply.Into(t, &fields)
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"captcha_id", "expires_in_s", "image_png"}, names); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	var one, two captchaissue.Response
	reply.Into(t, &one)
	phone.Call(t, captchaissue.Function, "", struct{}{}).Into(t, &two)
	if _, err := uuid.Parse(one.CaptchaID); err != nil || one.CaptchaID == two.CaptchaID || one.ExpiresInS != 120 {
		t.Errorf("%q then %q, %d s, %v", one.CaptchaID, two.CaptchaID, one.ExpiresInS, err)
	}
	picture, err := png.Decode(bytes.NewReader(one.ImagePNG))
	check.Must(t, err)
	if size := picture.Bounds().Size(); size.X != 240 || size.Y != 80 {
		t.Errorf("the picture is %v", size)
	}
	if bytes.Equal(one.ImagePNG, two.ImagePNG) {
		t.Error("two pictures are the same")
	}
	for _, name := range chunks(t, one.ImagePNG) {
		if !slices.Contains([]string{"IHDR", "PLTE", "tRNS", "IDAT", "IEND"}, name) {
			t.Errorf("the picture has a part %q", name)
		}
	}
	stored, err := b.Redis.Get("captcha:" + one.CaptchaID)
	if err != nil || len(stored) != 32 {
		t.Errorf("%d bytes are kept, want the 32 of a MAC: %v", len(stored), err)
	}
}

// allRead lets no caller go on before all have read the code. A check that reads the
// code in one step and deletes it in another then accepts them all.
type allRead struct{ read *sync.WaitGroup }

func (allRead) DialHook(next redis.DialHook) redis.DialHook { return next }

func (allRead) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a allRead) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		err := next(ctx, command)
		if strings.HasPrefix(command.Name(), "get") {
			a.read.Done()
			a.read.Wait()
		}
		return err
	}
}

func TestACodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CAPTCHA-001.1")
	b, phone := newPhone(t)
	id := captchatest.Solved(t, b, phone)
	if !solves(t, b, id, captchatest.Answer) {
		t.Error("the right answer was refused")
	}
	if solves(t, b, id, captchatest.Answer) {
		t.Error("the right answer was taken twice")
	}
	if solves(t, b, uuid.NewString(), captchatest.Answer) || solves(t, b, "", captchatest.Answer) {
		t.Error("an answer was taken for an id that the server did not issue")
	}
	raced := captchatest.Solved(t, b, phone)
	const racers = 20
	var read sync.WaitGroup
	read.Add(racers)
	b.Host.Redis.AddHook(allRead{&read})
	right := slices.DeleteFunc(
		check.AtOnce(racers, func(int) bool { return solves(t, b, raced, captchatest.Answer) }),
		func(solved bool) bool { return !solved })
	if len(right) != 1 {
		t.Errorf("of %d at once %d were right, want 1", racers, len(right))
	}
	var issued map[string]any // and nothing but the picture could tell the answer
	phone.Call(t, captchaissue.Function, "", struct{}{}).Into(t, &issued)
	delete(issued, "captcha_id")
	delete(issued, "image_png")
	if diff := cmp.Diff(map[string]any{"expires_in_s": 120.0}, issued); diff != "" {
		t.Errorf("besides picture and id (-want +got):\n%s", diff)
	}
}

func TestLateAndWrongAnswers(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CAPTCHA-002.1", "CAPTCHA-002.2")
	b, phone := newPhone(t)
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{captcha.Life - time.Second, true}, {captcha.Life, false}, {captcha.Life + time.Second, false}} {
		id := captchatest.Solved(t, b, phone)
		b.Advance(tt.after)
		if got := solves(t, b, id, captchatest.Answer); got != tt.want {
			t.Errorf("after %v: %v, want %v", tt.after, got, tt.want)
		}
	}
	other := captchatest.Solved(t, b, phone)
	for _, wrong := range []string{"", "604714", captchatest.Answer + "0", "x" + captchatest.Answer} {
		id := captchatest.Solved(t, b, phone)
		if solves(t, b, id, wrong) {
			t.Errorf("%q was taken", wrong)
		}
		if solves(t, b, id, captchatest.Answer) {
			t.Errorf("%q did not use the code up", wrong)
		}
	}
	if !solves(t, b, other, captchatest.Answer) {
		t.Error("another code was used up")
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b, phone := newPhone(t)
	phone.Call(t, captchaissue.Function, "", map[string]any{"digits": 1}).Want(t, "INPUT_INVALID")
	b.Redis.SetError("down")
	phone.Call(t, captchaissue.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
}

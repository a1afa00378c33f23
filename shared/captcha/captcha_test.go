package captcha_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image/png"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	draw "github.com/dchest/captcha"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/proxytest"
	"github.com/tidebank/tidebank/test/req"
)

const answer = "041527"

func newStore(t *testing.T) (*captcha.Store, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	ring := keytest.New(t)
	return captcha.New(client, ring), server
}

// issue makes a code whose answer the test knows.
func issue(t *testing.T, s *captcha.Store) (id string) {
	t.Helper()
	id, _, err := s.Issue(t.Context())
	check.Must(t, err)
	check.Must(t, s.SetAnswer(t.Context(), id, answer))
	return id
}

func answered(t *testing.T, s *captcha.Store, id, answer string) bool {
	t.Helper()
	right, err := s.Check(t.Context(), id, answer)
	check.Must(t, err)
	return right
}

// People type blanks, and keyboards for Chinese write full-width digits.
func TestSpellingsOfARightAnswer(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	for _, spelling := range []string{" 041527", "041527\u3000", "041 527", "０４１５２７", " ０４１ 527 "} {
		if !answered(t, s, issue(t, s), spelling) {
			t.Errorf("%q is wrong", spelling)
		}
		id := s.IssueKnown(t, answer, time.Now().Add(captcha.Life))
		if solved, err := s.SolvedForHello(t.Context(), time.Now(), id, spelling); err != nil || !solved {
			t.Errorf("%q is wrong for a hello: %v", spelling, err)
		}
	}
}

// An answer that can't be right is no answer: it is refused before it uses the picture up.
func TestTheFormOfAnAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ id, answer, field string }{
		{"", "", ""},
		{"x", answer, ""},
		{"x", " ０４１ 527\u3000", ""},
		{"x", "041-527", ""},
		{"x", "", "captcha_answer"},
		{"", answer, "captcha_id"},
		{"", "x", "captcha_id"},
		{"x", "   ", "captcha_answer"},
		{"x", "\u3000", "captcha_answer"},
		{"x", "\u202e", "captcha_answer"},
		{"x", "-", "captcha_answer"},
		{"x", "0", "captcha_answer"},
		{"x", "12345x", "captcha_answer"},
		{"x", "1111111111111111", "captcha_answer"},
		{"x", "٠٤١٥٢٧", "captcha_answer"},
		{"x", "零四一", "captcha_answer"},
	} {
		var got *bankerr.FieldError
		if err := captcha.CheckForm(tt.id, tt.answer); errors.As(err, &got) != (tt.field != "") || got != nil && got.Field != tt.field {
			t.Errorf("%q of %q: %v, want %q to be named", tt.answer, tt.id, err, tt.field)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	for _, wrong := range []string{"", "041528", "41527", "0415270", "O41527"} {
		id := issue(t, s)
		if answered(t, s, id, wrong) {
			t.Errorf("%q is right", wrong)
		}
		if answered(t, s, id, answer) {
			t.Errorf("the right answer is taken after %q", wrong)
		}
	}
	id := issue(t, s)
	if !answered(t, s, id, answer) {
		t.Error("the right answer is wrong")
	}
	if answered(t, s, id, answer) {
		t.Error("the right answer is taken twice")
	}
	if one, two := issue(t, s), issue(t, s); one == two {
		t.Error("two codes have one id")
	}
	if answered(t, s, "unknown", answer) || answered(t, s, "", answer) {
		t.Error("an answer is right for a code that was not issued")
	}
}

// The stored value of one code does not answer a code with another id.
func TestAnswersAreOfTheirCode(t *testing.T) {
	t.Parallel()
	s, server := newStore(t)
	one, two := issue(t, s), issue(t, s)
	stored, err := server.Get("captcha:" + one)
	check.Must(t, err)
	check.Must(t, server.Set("captcha:"+two, stored))
	if answered(t, s, two, answer) {
		t.Error("the answer is right for another code")
	}
}

func TestLifeOfACode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{captcha.Life - time.Second, true}, {captcha.Life, false}, {captcha.Life + time.Second, false}} {
		s, server := newStore(t)
		id := issue(t, s)
		server.FastForward(tt.after)
		if right := answered(t, s, id, answer); right != tt.want {
			t.Errorf("after %v: right is %v", tt.after, right)
		}
	}
	s, _ := newStore(t)
	id := issue(t, s)
	if answered(t, s, id, "000000") || answered(t, s, id, answer) {
		t.Error("a wrong answer left the code as it was")
	}
	req.Covers(t, "CAPTCHA-002.1", "CAPTCHA-002.2")
}

func TestOneOfManyAnswersWins(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	id := issue(t, s)
	var right atomic.Int32
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			ok, err := s.Check(t.Context(), id, answer)
			if err != nil {
				t.Error(err)
			}
			if ok {
				right.Add(1)
			}
		})
	}
	all.Wait()
	if right.Load() != 1 {
		t.Errorf("%d of 30 were right", right.Load())
	}
}

// The picture holds no other data, and Redis keeps no digit. The digits of the picture
// are the answer: only the answer draws the same picture again.
func TestPictureShowsTheAnswer(t *testing.T) {
	t.Parallel()
	s, server := newStore(t)
	id, image, err := s.Issue(t.Context())
	check.Must(t, err)
	picture, err := png.Decode(bytes.NewReader(image))
	check.Must(t, err)
	if size := picture.Bounds().Size(); size.X != 240 || size.Y != 80 {
		t.Errorf("size %v", size)
	}
	for at := 8; at < len(image); {
		kind := string(image[at+4 : at+8])
		if !strings.Contains("IHDR PLTE tRNS IDAT IEND", kind) {
			t.Errorf("the picture has a chunk %q", kind)
		}
		at += 12 + int(binary.BigEndian.Uint32(image[at:]))
	}
	found := s.Answer(t.Context(), id)
	if found == "" {
		t.Fatal("no six digits are the answer")
	}
	stored, err := server.Get("captcha:" + id)
	check.Must(t, err)
	if strings.Contains(stored, found) || strings.Contains(id, found) {
		t.Error("the answer stands in clear")
	}
	digits := []byte(found)
	for i := range digits {
		digits[i] -= '0'
	}
	var again bytes.Buffer
	_, err = draw.NewImage(id, digits, 240, 80).WriteTo(&again)
	check.Must(t, err)
	if !bytes.Equal(again.Bytes(), image) {
		t.Error("the picture shows other digits")
	}
	if !answered(t, s, id, found) {
		t.Error("the digits in the picture are wrong")
	}
}

func TestRedisIsDown(t *testing.T) {
	t.Parallel()
	s, server := newStore(t)
	id := issue(t, s)
	server.Close()
	if _, _, err := s.Issue(t.Context()); !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("Issue: %v, want ErrUnavailable", err)
	}
	if right, err := s.Check(t.Context(), id, answer); right || !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("Check: %v, %v; want ErrUnavailable", right, err)
	}
}

// A right answer stays right if Redis has used the code up and its answer was lost.
func TestALostAnswerUsesTheCodeOnce(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	proxy := proxytest.New(t, server.Addr())
	client, err := redisdb.Open(redisdb.Config{URL: "redis://" + proxy.Address})
	check.Must(t, err)
	t.Cleanup(func() { _ = client.Close() })
	s := captcha.New(client, keytest.New(t))
	answered(t, s, issue(t, s), answer) // Redis knows the script now
	for _, given := range []string{answer, "000000"} {
		id := issue(t, s)
		proxy.Lose("evalsha", 2)
		if right := answered(t, s, id, given); right != (given == answer) || !proxy.Lost() {
			t.Errorf("%s is right: %v", given, right)
		}
		if answered(t, s, id, answer) {
			t.Errorf("the code is taken again after %s", given)
		}
	}
}

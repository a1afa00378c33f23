package captcha_test

import (
	"errors"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/captcha"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// Of many answers at once to one code for a hello, one is right.
func TestACodeForAHelloIsGoodOnce(t *testing.T) {
	t.Parallel()
	s, server := newStore(t)
	now := time.Now()
	id, _, err := s.IssueForHello(now)
	check.Must(t, err)
	if keys := server.Keys(); len(keys) != 0 {
		t.Errorf("Redis keeps %v", keys)
	}
	text := s.AnswerForHello(t, id)
	right := 0
	for _, solved := range check.AtOnce(30, func(int) bool {
		solved, err := s.SolvedForHello(t.Context(), now, id, text)
		if err != nil && !errors.Is(err, captcha.ErrRejected) {
			t.Error(err)
		}
		return solved
	}) {
		if solved {
			right++
		}
	}
	if right != 1 {
		t.Errorf("%d of 30 were right", right)
	}
}

// Two codes with different ids are used up apart, also at the edge of their lives.
func TestLifeOfACodeForAHello(t *testing.T) {
	t.Parallel()
	s, _ := newStore(t)
	now := time.Now()
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{captcha.Life - time.Millisecond, true}, {captcha.Life, false}} {
		id, _, err := s.IssueForHello(now)
		check.Must(t, err)
		solved, err := s.SolvedForHello(t.Context(), now.Add(tt.after), id, s.AnswerForHello(t, id))
		if solved != tt.want || tt.want != (err == nil) {
			t.Errorf("after %v: %v, %v", tt.after, solved, err)
		}
	}
	if solved, err := s.SolvedForHello(t.Context(), now, "", ""); solved || err != nil {
		t.Errorf("no code: %v, %v", solved, err)
	}
}

func TestRedisIsDownForAHello(t *testing.T) {
	t.Parallel()
	s, server := newStore(t)
	now := time.Now()
	id, _, err := s.IssueForHello(now)
	check.Must(t, err)
	server.Close()
	solved, err := s.SolvedForHello(t.Context(), now, id, s.AnswerForHello(t, id))
	if solved || !errors.Is(err, bankerr.ErrUnavailable) {
		t.Errorf("%v, %v; want ErrUnavailable", solved, err)
	}
}

// Only an id that the bank has made opens, and only in the form in which it was made.
func FuzzOpenForHello(f *testing.F) {
	ring := keytest.New(f)
	ends := time.UnixMilli(1_795_399_200_123)
	good, err := captcha.SealForHello(ring, answer, ends)
	check.Must(f, err)
	for _, id := range []string{good, "", "x", good + "\n", good[:len(good)-1], good + "=", good[:20] + "\r" + good[20:]} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		text, until, err := captcha.OpenForHello(ring, id)
		if (err == nil) != (id == good) || err == nil && (text != answer || !until.Equal(ends)) {
			t.Errorf("%q opens to %q until %v, %v", id, text, until, err)
		}
	})
}

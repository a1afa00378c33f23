package captcha

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// SetAnswer sets the answer of an issued code, and keeps its life.
func (s *Store) SetAnswer(ctx context.Context, id, answer string) error {
	return s.redis.SetArgs(ctx, key(id), mac(s.ring, id, answer), redis.SetArgs{Mode: "XX", KeepTTL: true}).Err()
}

// Answer finds the answer of an issued code, by trying all; "" if there is none.
func (s *Store) Answer(ctx context.Context, id string) string {
	stored := s.redis.Get(ctx, key(id)).Val()
	for n := range 1_000_000 {
		if text := fmt.Sprintf("%06d", n); stored == string(mac(s.ring, id, text)) {
			return text
		}
	}
	return ""
}

// AnswerForHello reads the answer of a code for a hello.
func (s *Store) AnswerForHello(t testing.TB, id string) string {
	t.Helper()
	answer, _, err := OpenForHello(s.ring, id)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// IssueKnown makes a code for a hello whose answer the test knows.
func (s *Store) IssueKnown(t testing.TB, answer string, ends time.Time) (id string) {
	t.Helper()
	id, err := SealForHello(s.ring, answer, ends)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

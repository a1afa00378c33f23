// Package captcha makes and checks graphic codes against robots.
//
// The server draws the code. Redis keeps only a MAC of its digits, for two minutes.
// Any answer, right or wrong, uses the code up. A graphic code is never a factor of
// authentication. Source: CAPTCHA-001, CAPTCHA-002, CAPTCHA-003.
package captcha

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	draw "github.com/dchest/captcha"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
)

// Life is how long a code waits for its answer.
const Life = 2 * time.Minute

const (
	digits        = 6
	width, height = 240, 80
)

// Store issues and checks codes; it is safe for concurrent use.
type Store struct {
	redis redis.UniversalClient
	ring  *keys.Ring
}

// New returns a Store.
func New(client redis.UniversalClient, ring *keys.Ring) *Store { return &Store{client, ring} }

// Issue draws a new code and returns its id and PNG image.
func (s *Store) Issue(ctx context.Context) (id string, image []byte, err error) {
	random := make([]byte, digits)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	text := make([]byte, digits)
	for i, b := range random {
		random[i] = b % 10 // slightly uneven (256 is no multiple of 10), which does no harm here
		text[i] = '0' + random[i]
	}
	id = uuid.NewString()
	var png bytes.Buffer
	if _, err := draw.NewImage(id, random, width, height).WriteTo(&png); err != nil {
		return "", nil, fmt.Errorf("draw captcha: %w", err)
	}
	if err := s.redis.Set(ctx, key(id), s.mac(id, string(text)), Life).Err(); err != nil {
		return "", nil, bankerr.ErrUnavailable.Because(fmt.Errorf("redis: %w", err))
	}
	return id, png.Bytes(), nil
}

// Check uses the code up and reports whether the answer was right.
func (s *Store) Check(ctx context.Context, id, answer string) (bool, error) {
	stored, err := s.redis.GetDel(ctx, key(id)).Bytes()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, bankerr.ErrUnavailable.Because(fmt.Errorf("redis: %w", err))
	}
	return hmac.Equal(stored, s.mac(id, answer)), nil
}

func (s *Store) mac(id, answer string) []byte {
	sum, _ := s.ring.MAC(keys.Session, []byte("captcha"), []byte(id), []byte(answer))
	return sum
}

func key(id string) string { return "captcha:" + id }

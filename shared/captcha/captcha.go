// Package captcha makes and checks graphic codes against robots.
//
// The server draws the code. Redis keeps only a MAC of its digits, for two minutes.
// Any answer, right or wrong, uses the code up. A code for a hello costs Redis nothing
// until it is answered (hello.go), because strangers may ask for any number of them. A graphic code is never a factor of
// authentication. Redis also counts the failed log-ins and sign-ups of each network
// address in an hour; the policy decides when they ask for a code. Refusals: CAPTCHA_REQUIRED,
// CAPTCHA_REJECTED. Source: CAPTCHA-001, CAPTCHA-002, CAPTCHA-003, RISK-002.
package captcha

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	draw "github.com/dchest/captcha"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/address"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
)

// Refusals.
var (
	ErrRequired = bankerr.New(bankerr.Unauthenticated, "CAPTCHA_REQUIRED")
	ErrRejected = bankerr.New(bankerr.Unauthenticated, "CAPTCHA_REJECTED")
)

// Life is how long a code waits for its answer.
const Life = 2 * time.Minute

// Code is a code as a picture, for a reply.
type Code struct {
	CaptchaID  string `json:"captcha_id"`
	ImagePNG   []byte `json:"image_png"`
	ExpiresInS int    `json:"expires_in_s"`
}

// NewCode returns the reply that shows a code.
func NewCode(id string, image []byte) Code {
	return Code{CaptchaID: id, ImagePNG: image, ExpiresInS: int(Life.Seconds())}
}

// suspicion is how long a failure counts against its network address.
const suspicion = time.Hour

const (
	length        = 6
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
	id, drawn := uuid.NewString(), newDigits()
	if image, err = picture(id, drawn); err != nil {
		return "", nil, err
	}
	value := mac(s.ring, id, textOf(drawn))
	err = redisdb.Repeat(ctx, func() error { return s.redis.Set(ctx, key(id), value, Life).Err() })
	if err != nil {
		return "", nil, bankerr.ErrUnavailable.Because(fmt.Errorf("redis: %w", err))
	}
	return id, image, nil
}

// newDigits draws the digits of a code, each from 0 to 9.
func newDigits() []byte {
	drawn := make([]byte, length)
	_, _ = rand.Read(drawn) // never fails (crypto/rand)
	for i, b := range drawn {
		drawn[i] = b % 10 // slightly uneven (256 is no multiple of 10), which does no harm here
	}
	return drawn
}

// textOf is the answer to a code.
func textOf(drawn []byte) string {
	text := make([]byte, len(drawn))
	for i, d := range drawn {
		text[i] = '0' + d
	}
	return string(text)
}

// picture draws the digits as PNG.
func picture(id string, drawn []byte) ([]byte, error) {
	var png bytes.Buffer
	if _, err := draw.NewImage(id, drawn, width, height).WriteTo(&png); err != nil {
		return nil, fmt.Errorf("draw captcha: %w", err)
	}
	return png.Bytes(), nil
}

// useScript uses a code up and returns its MAC. It leaves a mark of the check that has
// used it up: the same check gets the same answer again if the first answer was lost.
// A MAC has 32 bytes, and a mark is longer.
var useScript = redis.NewScript(`
local stored = redis.call('GET', KEYS[1])
if not stored then return false end
if #stored == 32 then
  redis.call('SET', KEYS[1], ARGV[1] .. stored, 'PX', ARGV[2])
  return stored
end
if string.sub(stored, 1, #ARGV[1]) ~= ARGV[1] then return false end
return string.sub(stored, #ARGV[1] + 1)
`)

// markLife is longer than the tries of one check.
const markLife = 10 * time.Second

// Check uses the code up and reports whether the answer was right.
func (s *Store) Check(ctx context.Context, id, answer string) (bool, error) {
	check := uuid.New()
	var stored []byte
	err := redisdb.Repeat(ctx, func() error {
		text, err := useScript.Run(ctx, s.redis, []string{key(id)}, check[:], markLife.Milliseconds()).Text()
		stored = []byte(text)
		return err //nolint:wrapcheck // the refusal wraps it
	})
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, bankerr.ErrUnavailable.Because(fmt.Errorf("redis: %w", err))
	}
	err = s.ring.VerifyAnyMAC(keys.Session, stored, parts(id, digits.Canonical(answer))...)
	if errors.Is(err, keys.ErrMAC) {
		return false, nil
	}
	return err == nil, err
}

// CheckForm refuses half an answer, which names the missing half: a code's id and its
// answer come together. It also refuses an answer that is not six digits, in any spelling
// of digits.Canonical: it can't be right, and must not use the picture up.
func CheckForm(id, answer string) error {
	switch {
	case id == "" && answer != "":
		return bankerr.InvalidField("captcha_id", "missing: captcha_answer is given")
	case id != "" && answer == "":
		return bankerr.InvalidField("captcha_answer", "missing: captcha_id is given")
	case id != "" && !sixDigits(digits.Canonical(answer)):
		return bankerr.InvalidField("captcha_answer", "not six digits")
	}
	return nil
}

func sixDigits(text string) bool { return len(text) == length && digits.Only(text) }

// Solved reports whether a request holds the right answer to a code. It refuses a wrong
// answer with ErrRejected; a request that names no code is not refused.
func (s *Store) Solved(ctx context.Context, id, answer string) (bool, error) {
	if id == "" {
		return false, nil
	}
	solved, err := s.Check(ctx, id, answer)
	if err == nil && !solved {
		err = ErrRejected
	}
	return solved, err
}

// Failures returns how often callers at the network address have failed to log in or to
// sign up.
func (s *Store) Failures(ctx context.Context, ip string) (int, error) {
	n, err := s.redis.Get(ctx, s.failureKey(ip)).Int()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, bankerr.ErrUnavailable.Because(fmt.Errorf("redis: %w", err))
	}
	return n, nil
}

const sqlAddressBound = `-- captcha.address_bound
SELECT policy_value('login.address_captcha_after', $1)`

// Admit checks the graphic code that a request brings, if it brings one, and reports
// whether it was solved. It refuses a request without a code from an address that has
// failed too often. Call it before any other work: such a request then costs the bank
// little.
func (s *Store) Admit(ctx context.Context, db pg.Reader, from Caller) (solved bool, err error) {
	if solved, err = s.Solved(ctx, from.ID, from.Answer); err != nil {
		return false, err
	}
	failed, err := s.Failures(ctx, from.IP)
	if err != nil || solved || failed == 0 {
		return solved, err
	}
	var bound int
	if err := db.QueryRow(ctx, sqlAddressBound, clock.BusinessDay(from.Now)).Scan(&bound); err != nil {
		return false, pg.Classify(fmt.Errorf("bound of an address: %w", err))
	}
	if failed >= bound {
		return false, ErrRequired
	}
	return solved, nil
}

// Caller is the sender of a request before login, with the graphic code that it brings.
type Caller struct {
	IP         string
	ID, Answer string // of the graphic code; empty if the request brings none
	Now        time.Time
}

// CountFailure counts a failed log-in or sign-up against the network address. The first
// failure begins an hour, after which the count starts anew.
func (s *Store) CountFailure(ctx context.Context, ip string) error {
	pipe := s.redis.TxPipeline()
	pipe.Incr(ctx, s.failureKey(ip))
	pipe.ExpireNX(ctx, s.failureKey(ip), suspicion)
	if _, err := pipe.Exec(ctx); err != nil {
		return bankerr.ErrUnavailable.Because(fmt.Errorf("redis: %w", err))
	}
	return nil
}

func (s *Store) failureKey(ip string) string {
	return "failures:" + address.Key(s.ring, ip)
}

// Kept returns what Redis holds of a code with a known answer: its key and its value.
// The local bank and tests write it, because no program can read the picture.
func Kept(ring *keys.Ring, id, answer string) (name string, value []byte) {
	return key(id), mac(ring, id, answer)
}

func mac(ring *keys.Ring, id, answer string) []byte {
	sum, _ := ring.MAC(keys.Session, parts(id, answer)...)
	return sum
}

func parts(id, answer string) [][]byte {
	return [][]byte{[]byte("captcha"), []byte(id), []byte(answer)}
}

func key(id string) string { return "captcha:" + id }

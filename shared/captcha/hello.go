package captcha

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/digits"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// usedBits is the size of a minute's field of used codes: one MiB. A code whose bit
// another code has set counts as used, and its customer gets a new one. At 100,000 used
// codes in a minute, this happens to one code in 80.
const usedBits = 1 << 23

// IssueForHello draws a code for an app that has no channel yet, and returns its id and
// PNG image. Nothing is stored: the id holds the answer and the end of its life, sealed.
func (s *Store) IssueForHello(now time.Time) (id string, image []byte, err error) {
	drawn := newDigits()
	if id, err = SealForHello(s.ring, textOf(drawn), now.Add(Life)); err != nil {
		return "", nil, err
	}
	image, err = picture(id, drawn)
	return id, image, err
}

// SolvedForHello is Solved for a code of IssueForHello. Redis keeps only one bit for a
// used code, in a field of bits that never grows, so answers can't fill Redis. Like any
// step that changes state it is not repeated after a lost answer.
func (s *Store) SolvedForHello(ctx context.Context, now time.Time, id, answer string) (bool, error) {
	if id == "" {
		return false, nil
	}
	right, ends, err := OpenForHello(s.ring, id)
	if err != nil || !now.Before(ends) {
		return false, ErrRejected.Because(err)
	}
	minute := ends.Unix() / 60
	place := binary.BigEndian.Uint32(sm.Digest([]byte(id))) % usedBits
	pipe := s.redis.TxPipeline()
	used := pipe.SetBit(ctx, "captcha:used:"+strconv.FormatInt(minute, 10), int64(place), 1)
	pipe.Expire(ctx, "captcha:used:"+strconv.FormatInt(minute, 10), Life+2*time.Minute)
	if _, err := pipe.Exec(ctx); err != nil {
		return false, bankerr.ErrUnavailable.Because(fmt.Errorf("redis: %w", err))
	}
	if used.Val() != 0 || !hmac.Equal([]byte(digits.Canonical(answer)), []byte(right)) {
		return false, ErrRejected
	}
	return true, nil
}

// SealForHello makes the id of a code with a known answer.
func SealForHello(ring *keys.Ring, answer string, ends time.Time) (id string, err error) {
	clear := append(binary.BigEndian.AppendUint64(nil, uint64(ends.UnixMilli())), answer...)
	sealed, err := ring.Seal(keys.Session, []byte("captcha for hello"), clear)
	if err != nil {
		return "", fmt.Errorf("seal captcha: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// OpenForHello returns the answer of a code and the end of its life. The local bank and
// tests read the answer, because no program can read the picture.
func OpenForHello(ring *keys.Ring, id string) (answer string, ends time.Time, err error) {
	sealed, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || base64.RawURLEncoding.EncodeToString(sealed) != id { // one code must not have two ids
		return "", time.Time{}, fmt.Errorf("captcha id: %w", keys.ErrOpen)
	}
	clear, err := ring.Open(keys.Session, []byte("captcha for hello"), sealed)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("captcha id: %w", err)
	}
	if len(clear) != 8+length {
		return "", time.Time{}, keys.ErrOpen
	}
	return string(clear[8:]), time.UnixMilli(int64(binary.BigEndian.Uint64(clear))), nil
}

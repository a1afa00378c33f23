package session

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
)

// Origin says where a login comes from: the id of its device, its network address, and the
// place of that address (shared/place). The bank compares the addresses of later calls with
// that of the login, if it has one. Redis holds a keyed name of it, and no address. The name
// is not bound by the login's MAC, which functions of an earlier release verify too: who can
// write to Redis can at most hide a change of address.
type Origin struct {
	DeviceID string `json:"device_id"`
	Place    string `json:"place"`
	Address  string `json:"-"`
}

// DisplacedError is the cause of SESSION_DISPLACED: the later login that has ended the
// caller's login. Its time is zero if the bank no longer knows the later login.
type DisplacedError struct {
	At time.Time `json:"at"`
	Origin
}

// Error says when the later login was; device and place stay out of logs.
func (d *DisplacedError) Error() string { return "by a login of " + d.At.Format(time.RFC3339) }

// unknownNotice stands for a later login that this login does not know.
const unknownNotice = "1"

// notice seals, for the channel of a login that ends, what its customer is told of the
// later login.
func (s *Store) notice(ended channel.ID, by DisplacedError) (string, error) {
	text, err := json.Marshal(by)
	if err != nil {
		return "", fmt.Errorf("notice of a later login: %w", err)
	}
	sealed, err := s.ring.Seal(keys.Session, noticeAAD(ended), text)
	if err != nil {
		return "", fmt.Errorf("seal the notice of a later login: %w", err)
	}
	return string(sealed), nil
}

// readNotice opens a notice. A notice that does not open tells only that there was a
// later login.
func (s *Store) readNotice(ended channel.ID, sealed string) (*DisplacedError, error) {
	by := &DisplacedError{}
	if sealed == unknownNotice {
		return by, nil
	}
	text, err := s.ring.Open(keys.Session, noticeAAD(ended), []byte(sealed))
	if errors.Is(err, keys.ErrPurpose) {
		return nil, fmt.Errorf("notice of a later login: %w", err)
	}
	if err == nil {
		_ = json.Unmarshal(text, by) // notice has written it
	}
	return by, nil
}

func noticeAAD(ended channel.ID) []byte { return append([]byte("displaced "), ended[:]...) }

// displace ends the login that Start found at the customer's pointer, and leaves a notice
// of the login by which it ended. own is the channel of that later login.
func (s *Store) displace(ctx context.Context, customer uuid.UUID, own channel.ID, ended []string, by DisplacedError) error {
	earlier, known := channelOf(ended[0])
	if !known {
		return nil
	}
	text := unknownNotice // a login that is itself the earlier one does not know the later one
	if earlier != own {
		var err error
		if text, err = s.notice(earlier, by); err != nil {
			return err
		}
	}
	if err := s.run(ctx, displaceScript, loginKey(earlier), customer.String(), ended[1], text).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// channelOf reads the id of a channel as Redis holds it.
func channelOf(name string) (id channel.ID, ok bool) {
	raw, err := hex.DecodeString(name)
	if err != nil || len(raw) != len(id) {
		return id, false
	}
	copy(id[:], raw)
	return id, true
}

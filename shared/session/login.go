package session

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/keys"
)

// stored is a login as Redis holds it. The MAC binds its values to their channel, so
// that somebody who can write to Redis can't make a login, or move one to another
// channel or customer. The channel's keys are bound to the device in the same way.
// Nothing in Redis alone can prove that a login was not put back on its own channel
// after it ended; such a login ends when it is ChannelLife old, as every login does.
type stored struct {
	customer, turn, at string
	duty               Duty
	mac, keyID         string
}

// bind makes the stored form of a login: it adds the MAC.
func (s *Store) bind(id channel.ID, l stored) stored {
	sum, keyID := s.ring.MAC(keys.Session, l.parts(id)...)
	l.mac, l.keyID = hex.EncodeToString(sum), keyID
	return l
}

// verify returns the login, or an error for a login that the bank did not store on this
// channel.
func (s *Store) verify(id channel.ID, l stored) (Login, error) {
	sum, err := hex.DecodeString(l.mac)
	if err != nil {
		return Login{}, keys.ErrMAC
	}
	if err := s.ring.VerifyMAC(keys.Session, l.keyID, sum, l.parts(id)...); err != nil {
		return Login{}, err
	}
	customer, err := uuid.Parse(l.customer)
	if err != nil {
		return Login{}, fmt.Errorf("customer: %w", err)
	}
	millis, err := strconv.ParseInt(l.at, 10, 64)
	if err != nil {
		return Login{}, fmt.Errorf("time: %w", err)
	}
	return Login{CustomerID: customer, At: time.UnixMilli(millis), Turn: l.turn, Duty: l.duty}, nil
}

// parts are the bound values. A separator keeps them apart, because the MAC joins them. A login
// without a duty has the parts of earlier releases.
func (l stored) parts(id channel.ID) [][]byte {
	values := l.customer + " " + l.turn + " " + l.at
	if l.duty != NoDuty {
		values += " " + string(l.duty)
	}
	return [][]byte{[]byte("login "), id[:], []byte(values)}
}

// channelAAD binds a channel's sealed keys to its id and device.
func channelAAD(id channel.ID, deviceID string) []byte {
	return append(append([]byte("channel "), id[:]...), deviceID...)
}

package password

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// Rounds is the number of PBKDF2 rounds of a stored password (PWD-018). A release may
// raise it: a password of fewer rounds is stored anew at its next right guess.
const Rounds = 100_000

// turnWait is how long a caller waits for its turn to hash. A call has 3 s in all.
const turnWait = 2 * time.Second

// errTurn tells the log why a call is refused.
var errTurn = errors.New("password: this process computes as many hashes as it may")

// Config tells how a process hashes.
type Config struct {
	// SealedOnly refuses passwords that releases before the pepper have stored in clear
	// hashes. Set it when few customers have such passwords left: until then, a person
	// who writes the database can put a hash of their own into a row.
	SealedOnly bool `envconfig:"PASSWORD_SEALED_ONLY" default:"false"`
	// Rounds is for tests, and no environment key sets it; 0 means the constant Rounds.
	Rounds int `ignored:"true"`
}

// Hashing is a process's bound on hashing: as many callers hash at once as the process
// has cores. So in a flood of log-ins, the process's other work waits for a few
// milliseconds, not for all hashes.
type Hashing struct {
	rounds     int
	sealedOnly bool
	turns      chan struct{}
}

// NewHashing returns the bound of a process.
func NewHashing(config Config) *Hashing {
	return &Hashing{
		rounds: cmp.Or(config.Rounds, Rounds), sealedOnly: config.SealedOnly,
		turns: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
}

// Turns is how many callers hash at once.
func (h *Hashing) Turns() int { return cap(h.turns) }

// Store hashes the passwords that the bank stores, and compares guesses with them. A
// stored password is sealed for its place, so that it opens in no other row. In it is
// PBKDF2-HMAC-SM3 over the pepper: a MAC of the password under a key that never leaves
// the key provider. Without this key nobody can try passwords, even with every table and
// all other keys.
//
// Its ring holds the purposes Pepper and Credential. A Store is safe for concurrent use.
type Store struct {
	ring    *keys.Ring
	hashing *Hashing
}

// NewStore returns a Store. All stores of a process share its Hashing.
func NewStore(ring *keys.Ring, hashing *Hashing) *Store { return &Store{ring, hashing} }

// Place is the place of a stored password in the database.
type Place struct {
	table, column string
	row           uuid.UUID
	device        string // of a row of the table device
}

// OfLogin is the place of a customer's login password.
func OfLogin(customer uuid.UUID) Place {
	return Place{table: "credential", column: "login_password", row: customer}
}

// OfTrade is the place of a customer's trade password.
func OfTrade(customer uuid.UUID) Place {
	return Place{table: "credential", column: "trade_password", row: customer}
}

// OfCard is the place of the card password of an account.
func OfCard(account uuid.UUID) Place {
	return Place{table: "account", column: "card_password", row: account}
}

// OfGesture is the place of the gesture of a customer's device.
func OfGesture(customer uuid.UUID, deviceID string) Place {
	return Place{table: "device", column: "gesture", row: customer, device: deviceID}
}

func (p Place) aad() []byte {
	row := p.row.String()
	if p.device != "" {
		row += " " + p.device
	}
	return keys.AAD(p.table, p.column, row)
}

// Turn is the right to compute hashes, one after the other.
type Turn struct {
	store *Store
	ended bool
}

// Begin waits for a turn, at most two seconds. A caller begins its turn before it counts
// the attempt: without a turn, nothing was compared and nothing must be counted. It
// returns SERVICE_UNAVAILABLE if no turn comes in time. The caller must End the turn.
func (s *Store) Begin(ctx context.Context) (*Turn, error) {
	late := time.NewTimer(turnWait)
	defer late.Stop()
	select {
	case s.hashing.turns <- struct{}{}:
		return &Turn{store: s}, nil
	case <-ctx.Done():
	case <-late.C:
	}
	return nil, bankerr.ErrUnavailable.WithRetryAfter(time.Second).Because(errTurn)
}

// End gives the turn to the next caller. A second End does nothing.
func (t *Turn) End() {
	if !t.ended {
		<-t.store.hashing.turns
	}
	t.ended = true
}

// The form of a stored password: the scheme, "$", and base64 of a sealed text. The sealed
// text is the id of the pepper's key, "$", and the text of sm.HashPassword. Earlier
// releases stored the text of sm.HashPassword in clear, over the password itself.
const (
	scheme        = "pbkdf2-sm3-sealed$"
	earlierScheme = "pbkdf2-sm3$"
)

// Hash returns the text to store for a password in its place.
func (t *Turn) Hash(at Place, clear []byte) (string, error) {
	ring := t.store.ring
	pepper, err := ring.SumKey(keys.Pepper)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	peppered, err := ring.Sum(keys.Pepper, pepper, clear)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	text, err := sm.HashPassword(peppered, t.store.hashing.rounds)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	sealed, err := ring.Seal(keys.Credential, at.aad(), []byte(pepper+"$"+text))
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return scheme + base64.RawStdEncoding.EncodeToString(sealed), nil
}

// Checked is the result of comparing a guess.
type Checked struct {
	Right bool
	// Stale reports that the guess is right, and that the password must be stored anew:
	// its form, its rounds or a key is older than today's.
	Stale bool
	// Damaged reports a stored text that the bank can't read. It was changed, or it comes
	// from another row, or its key is gone. No guess matches it.
	Damaged bool
	// Rounds is the work of the comparison.
	Rounds int
}

// Check compares a guess with a stored password. If stored is empty or can't be read, no
// guess matches. The work is the same whatever is stored, so the time does not show
// whether a password exists. Any error means that the bank can't compare now.
func (t *Turn) Check(at Place, stored string, guess []byte) (Checked, error) {
	ring, rounds := t.store.ring, t.store.hashing.rounds
	newest, err := ring.SumKey(keys.Pepper)
	if err != nil {
		return Checked{}, fmt.Errorf("password: %w", err)
	}
	s := t.store.read(at, stored)
	pepper := s.pepper
	if pepper == "" {
		pepper = newest // the provider works for every guess
	}
	secret, err := ring.Sum(keys.Pepper, pepper, guess)
	if errors.Is(err, keys.ErrMAC) { // the key is gone
		s = read{}
		secret, err = ring.Sum(keys.Pepper, newest, guess)
	}
	if err != nil {
		return Checked{}, fmt.Errorf("password: %w", err)
	}
	if s.earlier {
		secret = guess
	}
	result := Checked{Damaged: stored != "" && s.text == ""}
	result.Rounds, err = sm.CheckPassword(s.text, secret, rounds)
	if err != nil && !errors.Is(err, sm.ErrPassword) {
		return Checked{}, fmt.Errorf("password: %w", err)
	}
	result.Right = err == nil
	have := sm.PasswordRounds(s.text)
	result.Stale = result.Right && (!s.current || s.pepper != newest || have != rounds)
	return result, nil
}

// read is a stored password, opened. The zero value matches no guess.
type read struct {
	text    string // of sm.HashPassword
	pepper  string // the pepper's key; empty for the earlier form
	earlier bool   // stored in clear, without pepper
	current bool   // sealed with the newest key
}

func (s *Store) read(at Place, stored string) read {
	if !s.hashing.sealedOnly && strings.HasPrefix(stored, earlierScheme) && sm.PasswordRounds(stored) > 0 {
		return read{text: stored, earlier: true}
	}
	encoded, ok := strings.CutPrefix(stored, scheme)
	if !ok {
		return read{}
	}
	sealed, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return read{}
	}
	opened, err := s.ring.Open(keys.Credential, at.aad(), sealed)
	if err != nil {
		return read{}
	}
	pepper, text, ok := strings.Cut(string(opened), "$")
	if !ok || sm.PasswordRounds(text) == 0 {
		return read{}
	}
	return read{text: text, pepper: pepper, current: s.ring.SealedByCurrent(keys.Credential, sealed)}
}

package password_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// newStore is a store that computes so many rounds.
func newStore(ring *keys.Ring, rounds int) *password.Store {
	return password.NewStore(ring, password.NewHashing(password.Config{Rounds: rounds}))
}

// hash is the text that the store stores for a password.
func hash(t *testing.T, passwords *password.Store, at password.Place, clear string) string {
	t.Helper()
	turn, err := passwords.Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	text, err := turn.Hash(at, []byte(clear))
	check.Must(t, err)
	return text
}

func compare(t *testing.T, passwords *password.Store, at password.Place, stored, guess string) password.Checked {
	t.Helper()
	turn, err := passwords.Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	got, err := turn.Check(at, stored, []byte(guess))
	check.Must(t, err)
	return got
}

// earlier is the text that releases before the pepper stored.
func earlier(t *testing.T, clear string) string {
	t.Helper()
	text, err := sm.HashPassword([]byte(clear), rounds/2)
	check.Must(t, err)
	return text
}

// A copy of every table can't be searched for passwords: without the pepper, not even the
// right password matches. This holds also for a thief who has all other keys.
func TestACopyOfTheTablesCannotBeSearched(t *testing.T) {
	t.Parallel()
	ring, thief := keytest.OtherPepper(t)
	row := uuid.New()
	at := password.OfTrade(row)
	stored := hash(t, newStore(ring, rounds), at, trade)
	if got := compare(t, newStore(ring, rounds), at, stored, trade); !got.Right {
		t.Fatalf("%+v", got)
	}
	if got := compare(t, newStore(thief, rounds), at, stored, trade); got.Right || got.Damaged {
		t.Errorf("with a pepper of the thief's own: %+v", got)
	}
	text := keytest.StoredPassword(t, thief, keys.AAD("credential", "trade_password", row.String()), stored)
	for name, secret := range map[string][]byte{
		"the password itself": []byte(trade), "a MAC by another key": sm.MAC(make([]byte, 32), []byte(trade)),
	} {
		if _, err := sm.CheckPassword(text, secret, rounds); !errors.Is(err, sm.ErrPassword) {
			t.Errorf("%s: %v, want ErrPassword", name, err)
		}
	}
	peppered, err := ring.Sum(keys.Pepper, "pepper/1", []byte(trade))
	check.Must(t, err)
	if _, err := sm.CheckPassword(text, peppered, rounds); err != nil {
		t.Errorf("with the pepper: %v", err)
	}
}

// A stored password opens in its own place only. In any other place, and after any
// change, it matches nothing and is reported, for the same work.
func TestAMovedPasswordMatchesNothing(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	passwords := newStore(ring, rounds)
	mine, other := uuid.New(), uuid.New()
	at := password.OfLogin(mine)
	stored := hash(t, passwords, at, login)
	sealed, err := base64.RawStdEncoding.DecodeString(stored[strings.Index(stored, "$")+1:])
	check.Must(t, err)
	changed := stored[:strings.Index(stored, "$")+1] + base64.RawStdEncoding.EncodeToString(check.Flip(sealed, len(sealed)/2))
	for name, tt := range map[string]struct {
		at   password.Place
		text string
	}{
		"another row":      {password.OfLogin(other), stored},
		"another column":   {password.OfTrade(mine), stored},
		"another table":    {password.OfCard(mine), stored},
		"no row":           {password.OfLogin(uuid.Nil), stored},
		"a bit changed":    {at, changed},
		"cut":              {at, stored[:len(stored)-4]},
		"another scheme":   {at, strings.Replace(stored, "pbkdf2-sm3", "pbkdf2-sha256", 1)},
		"no scheme":        {at, stored[strings.Index(stored, "$")+1:]},
		"not base64":       {at, "pbkdf2-sm3-sealed$***"},
		"an earlier, cut":  {at, earlier(t, login)[:20]},
		"the clear text":   {at, login},
		"of another bank":  {at, hash(t, newStore(keytest.New(t), rounds), at, login)},
		"of a lost pepper": {at, ofLostPepper(t, ring, mine)},
	} {
		if got := compare(t, passwords, tt.at, tt.text, login); got != (password.Checked{Damaged: true, Rounds: rounds}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := compare(t, passwords, at, stored, login); got != (password.Checked{Right: true, Rounds: rounds}) {
		t.Errorf("in its place: %+v", got)
	}
}

// ofLostPepper is a text whose pepper the provider does not have.
func ofLostPepper(t *testing.T, ring *keys.Ring, customer uuid.UUID) string {
	t.Helper()
	text, err := sm.HashPassword([]byte(login), rounds)
	check.Must(t, err)
	place := keys.AAD("credential", "login_password", customer.String())
	sealed, err := ring.Seal(keys.Credential, place, []byte("pepper/2$"+text))
	check.Must(t, err)
	return "pbkdf2-sm3-sealed$" + base64.RawStdEncoding.EncodeToString(sealed)
}

// A guess costs the same rounds for every number, known or unknown, at any setting.
func TestEveryGuessCostsTheSameWork(t *testing.T) {
	t.Parallel()
	ring, at := keytest.New(t), password.OfLogin(uuid.New())
	for _, setting := range []int{rounds, 3 * rounds} {
		passwords := newStore(ring, setting)
		for name, stored := range map[string]string{
			"unknown": "", "known": hash(t, passwords, at, login), "of the earlier form": earlier(t, login),
			"of fewer rounds": hash(t, newStore(ring, rounds), at, login), "unreadable": "x",
			"moved": hash(t, passwords, password.OfLogin(uuid.New()), login),
		} {
			for _, guess := range []string{login, "tide-2026y", "", strings.Repeat("x", 2000)} {
				if got := compare(t, passwords, at, stored, guess); got.Rounds != setting {
					t.Errorf("%d rounds for a password that is %s, want %d", got.Rounds, name, setting)
				}
			}
		}
	}
}

// A right guess tells that its password must be stored anew: after a change of form,
// rounds, pepper or sealing key. A wrong guess tells nothing.
func TestStalePasswords(t *testing.T) {
	t.Parallel()
	at := password.OfLogin(uuid.New())
	newPepper, newSeal := keytest.Rotated(t, keys.Pepper), keytest.Rotated(t, keys.Credential)
	for name, tt := range map[string]struct {
		before, after *password.Store
		stored        string
		want          bool
	}{
		"as it is":         {newStore(newPepper[0], rounds), newStore(newPepper[0], rounds), "", false},
		"a newer pepper":   {newStore(newPepper[0], rounds), newStore(newPepper[1], rounds), "", true},
		"a newer seal":     {newStore(newSeal[0], rounds), newStore(newSeal[1], rounds), "", true},
		"more rounds":      {newStore(newSeal[0], rounds), newStore(newSeal[0], 2*rounds), "", true},
		"fewer rounds":     {newStore(newSeal[0], 2*rounds), newStore(newSeal[0], rounds), "", true},
		"the earlier form": {nil, newStore(newSeal[0], rounds), earlier(t, login), true},
	} {
		stored := tt.stored
		if stored == "" {
			stored = hash(t, tt.before, at, login)
		}
		if got := compare(t, tt.after, at, stored, login); !got.Right || got.Stale != tt.want || got.Damaged {
			t.Errorf("%s: %+v", name, got)
		}
		if got := compare(t, tt.after, at, stored, "tide-2026y"); got.Right || got.Stale || got.Damaged {
			t.Errorf("%s, a wrong guess: %+v", name, got)
		}
		if got := compare(t, tt.after, at, hash(t, tt.after, at, login), login); !got.Right || got.Stale {
			t.Errorf("%s, stored anew: %+v", name, got)
		}
	}
}

// A login stores a password of the earlier form anew. If the password was changed in the
// meantime, the login is refused and the new password stays.
func TestALoginStoresAnEarlierPasswordAnew(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	turn := begin(t, s.passwords)
	for _, changed := range []bool{false, true} {
		check.Exec(t, s.db.Pool(), "UPDATE credential SET login_password = $1", earlier(t, login))
		a := s.count(t, s.attempt(now))
		right, err := a.Check(turn, []byte(login))
		check.Must(t, err)
		meanwhile := hashWith(t, turn, password.OfLogin(s.wang), "wave-2027y")
		if changed {
			check.Exec(t, s.db.Pool(), "UPDATE credential SET login_password = $1", meanwhile)
		}
		before, _ := s.stored(t)
		var unit pg.Unit
		check.Must(t, a.Succeeded(t.Context(), turn, &unit, true, errStale))
		if err := s.db.Commit(t.Context(), &unit); errors.Is(err, errStale) != changed || !changed && err != nil {
			t.Errorf("changed meanwhile: %v; %v", changed, err)
		}
		after, _ := s.stored(t)
		if !right || (before == after) != changed {
			t.Errorf("changed meanwhile: %v; stored %q, then %q", changed, before, after)
		}
		if got, err := turn.Check(password.OfLogin(s.wang), after, []byte(login)); err != nil || got.Right == changed || got.Stale {
			t.Errorf("changed meanwhile: %v; %+v, %v", changed, got, err)
		}
	}
}

func hashWith(t *testing.T, turn *password.Turn, at password.Place, clear string) string {
	t.Helper()
	text, err := turn.Hash(at, []byte(clear))
	check.Must(t, err)
	return text
}

// A process that takes only sealed passwords refuses the earlier form, for the same work.
func TestSealedOnly(t *testing.T) {
	t.Parallel()
	ring, at := keytest.New(t), password.OfLogin(uuid.New())
	strict := password.NewStore(ring, password.NewHashing(password.Config{Rounds: rounds, SealedOnly: true}))
	if got := compare(t, strict, at, earlier(t, login), login); got != (password.Checked{Damaged: true, Rounds: rounds}) {
		t.Errorf("the earlier form: %+v", got)
	}
	if got := compare(t, strict, at, hash(t, strict, at, login), login); got != (password.Checked{Right: true, Rounds: rounds}) {
		t.Errorf("sealed: %+v", got)
	}
}

// A process hashes on a bounded number of cores. Who gets no turn in time is refused and
// may try again.
func TestTurnsAreBounded(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	hashing := password.NewHashing(password.Config{Rounds: rounds})
	one, two := password.NewStore(ring, hashing), password.NewStore(ring, hashing) // of two functions
	var held []*password.Turn
	for range hashing.Turns() {
		turn, err := one.Begin(t.Context())
		check.Must(t, err)
		held = append(held, turn)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	turn, err := two.Begin(ctx)
	if !errors.Is(err, bankerr.ErrUnavailable) || turn != nil || bankerr.From(err).RetryAfter() != time.Second {
		t.Errorf("beyond the bound: %v, %v", turn, err)
	}
	held[0].End()
	held[0].End() // has no further effect
	turn, err = two.Begin(t.Context())
	check.Must(t, err)
	held[0] = turn
	for _, turn := range held {
		turn.End()
	}

	var running, most atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			turn, err := one.Begin(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer turn.End()
			if now := running.Add(1); now > most.Load() {
				most.Store(now)
			}
			_, err = turn.Hash(password.OfLogin(uuid.New()), []byte(login))
			running.Add(-1)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() > int64(hashing.Turns()) {
		t.Errorf("%d hashed at once, want at most %d", most.Load(), hashing.Turns())
	}
}

// Without the purposes a function can't use passwords at all.
func TestPasswordsNeedTheirKeys(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	at := password.OfLogin(uuid.New())
	for _, lacking := range []*keys.Ring{ring.Only(), ring.Only(keys.Credential)} {
		turn := begin(t, newStore(lacking, rounds))
		_, hashed := turn.Hash(at, []byte(login))
		_, checked := turn.Check(at, "", []byte(login))
		if !errors.Is(hashed, keys.ErrPurpose) || !errors.Is(checked, keys.ErrPurpose) {
			t.Errorf("%v, %v; want ErrPurpose", hashed, checked)
		}
	}
	turn := begin(t, newStore(ring.Only(keys.Pepper), rounds))
	if _, err := turn.Hash(at, []byte(login)); !errors.Is(err, keys.ErrPurpose) {
		t.Errorf("%v, want ErrPurpose", err)
	}
}

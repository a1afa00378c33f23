package password_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/place"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/pgtest"
)

var now = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

const (
	login = "tide-2026x"
	trade = "739164"

	rounds = 10
)

var errSignedUp = bankerr.New(bankerr.Refused, "REGISTRATION_REFUSED")

// fixture is a database with a customer who has signed up.
type fixture struct {
	db        *pg.DB
	ring      *keys.Ring
	passwords *password.Store
	wang      uuid.UUID
	phone     []byte
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	ring := keytest.New(t)
	s := fixture{
		db: pgtest.New(t), ring: ring, passwords: newStore(ring, rounds), wang: uuid.New(),
		phone: customer.PhoneIndex(ring, seed.Made("", 1).Phone),
	}
	turn, err := s.passwords.Begin(t.Context())
	check.Must(t, err)
	defer turn.End()
	made := seed.Made("王小明", 1)
	wang := customer.Record{ID: s.wang, Name: made.Name, Phone: made.Phone, IDNo: made.IDNo, CreatedAt: now}
	pgtest.Commit(t, s.db, func(u *pg.Unit) error {
		return errors.Join(customer.Insert(t.Context(), u, ring, wang), password.Insert(t.Context(), u, s.credential(turn), errSignedUp))
	})
	return s
}

// begin begins a turn that ends with the test.
func begin(t *testing.T, passwords *password.Store) *password.Turn {
	t.Helper()
	turn, err := passwords.Begin(t.Context())
	check.Must(t, err)
	t.Cleanup(turn.End)
	return turn
}

func (s fixture) credential(turn *password.Turn) password.Credential {
	return password.Credential{Turn: turn, CustomerID: s.wang, Login: login, Trade: trade, At: now}
}

func TestOpenTakesOnlyWhatIsSealedForTheChannel(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	id, other := channel.ID{1}, channel.ID{2}
	seal := func(clear []byte) []byte {
		sealed, err := sm.Encrypt(ring.Public(keys.Password), clear)
		check.Must(t, err)
		return sealed
	}
	clear, err := password.Open(ring, id, seal(append(id[:], login...)))
	if err != nil || string(clear) != login {
		t.Errorf("%q, %v", clear, err)
	}
	for name, sealed := range map[string][]byte{
		"another channel": seal(append(other[:], login...)), "no channel": seal([]byte("x")), "not sealed": []byte(login),
		"nothing": nil,
	} {
		if clear, err := password.Open(ring, id, sealed); !errors.Is(err, password.ErrUnsealed) || clear != nil {
			t.Errorf("%s: %q, %v", name, clear, err)
		}
	}
}

// The passwords rest hashed, and a customer signs up once; Replace does it again.
func TestSigningUp(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	turn := begin(t, s.passwords)
	want := func(login, trade string) {
		t.Helper()
		l, tr := s.stored(t)
		first, err := turn.Check(password.OfLogin(s.wang), l, []byte(login))
		check.Must(t, err)
		second, err := turn.Check(password.OfTrade(s.wang), tr, []byte(trade))
		check.Must(t, err)
		if !first.Right || !second.Right || strings.Contains(l+tr, trade) {
			t.Errorf("stored %q and %q", l, tr)
		}
	}
	want(login, trade)
	var again pg.Unit
	check.Must(t, password.Insert(t.Context(), &again, s.credential(turn), errSignedUp))
	if err := s.db.Commit(t.Context(), &again); !errors.Is(err, errSignedUp) {
		t.Errorf("signed up twice: %v", err)
	}
	c := s.credential(turn)
	c.Login, c.Trade = "wave-2027y", "940157"
	pgtest.Commit(t, s.db, func(u *pg.Unit) error { return password.Replace(t.Context(), u, c) })
	want(c.Login, c.Trade)
}

// stored are the stored texts of the customer's passwords.
func (s fixture) stored(t *testing.T) (login, trade string) {
	t.Helper()
	check.Must(t, s.db.Pool().QueryRow(t.Context(), "SELECT login_password, trade_password FROM credential WHERE customer_id = $1",
		s.wang).Scan(&login, &trade))
	return login, trade
}

// matches compares a guess with the attempt's password.
func matches(t *testing.T, turn *password.Turn, a password.LoginAttempt, guess string) bool {
	t.Helper()
	right, err := a.Check(turn, []byte(guess))
	check.Must(t, err)
	return right
}

func (s fixture) count(t *testing.T, a password.LoginAttempt) password.LoginAttempt {
	t.Helper()
	var batch pgx.Batch
	a.CountLogin(&batch)
	check.Must(t, s.db.QueryBatch(t.Context(), &batch))
	return a
}

func (s fixture) attempt(at time.Time) password.LoginAttempt {
	return password.LoginAttempt{Phone: s.phone, Captcha: true, From: device.Origin{DeviceID: "phone"}, RightCode: true, Now: at}
}

// Three wrong guesses ask for a graphic code, the fifth locks for 30 minutes, and the
// tenth of a day freezes; known and unknown numbers alike.
func TestAttemptsAreCounted(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	turn := begin(t, s.passwords)
	for name, phone := range map[string][]byte{"known": s.phone, "unknown": []byte("unknown")} {
		var got []password.Verdict
		for _, tt := range []struct {
			after   time.Duration
			captcha bool
		}{
			{0, false},
			{0, false},
			{0, false},
			{0, false},
			{0, true},
			{0, true},
			{0, true},
			{29 * time.Minute, true},
			{30 * time.Minute, true},
			{30 * time.Minute, true},
			{30 * time.Minute, true},
			{30 * time.Minute, true},
			{30 * time.Minute, true},
			{24 * time.Hour, true},
		} {
			a := s.attempt(now.Add(tt.after))
			a.Phone, a.Captcha = phone, tt.captcha
			a = s.count(t, a)
			got = append(got, a.Verdict)
			if known := name == "known"; (a.CustomerID == s.wang) != known || matches(t, turn, a, login) != known {
				t.Errorf("%s: %+v", name, a)
			}
			if matches(t, turn, a, "tide-2026y") || matches(t, turn, a, "") {
				t.Errorf("%s: a wrong password is right", name)
			}
		}
		want := []password.Verdict{
			password.Counted, password.Counted, password.Counted, password.Captcha, password.Counted, password.Last,
			password.Locked, password.Locked, password.Counted, password.Counted, password.Counted, password.Counted,
			password.Last, password.Locked,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

var errStale = errors.New("the password was replaced")

// A login resets the count. The next login finds it as the last login, and a session the
// login before its own.
func TestSucceeded(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	turn := begin(t, s.passwords)
	var a password.LoginAttempt
	for range 5 {
		a = s.count(t, s.attempt(now))
	}
	if a.Verdict != password.Last || a.LastLogin != (password.LastLogin{Place: place.Unknown}) {
		t.Fatalf("%+v", a)
	}
	pgtest.Commit(t, s.db, func(u *pg.Unit) error { return a.Succeeded(t.Context(), turn, u, true, errStale) })
	second := s.count(t, s.attempt(now.Add(time.Second)))
	second.From.DeviceID = "tablet"
	pgtest.Commit(t, s.db, func(u *pg.Unit) error { return second.Succeeded(t.Context(), turn, u, false, errStale) })
	next := s.attempt(now.Add(time.Minute))
	next.Captcha = false
	next = s.count(t, next)
	if next.Verdict != password.Counted || next.LastLogin.At == nil || !next.LastLogin.At.Equal(second.Now) ||
		*next.LastLogin.Device != "tablet" || next.LastLogin.Verified {
		t.Errorf("%+v", next)
	}
	var batch pgx.Batch
	var last, unknown password.LastLogin
	last.QueueLast(&batch, s.wang)
	unknown.QueueLast(&batch, uuid.New())
	check.Must(t, s.db.QueryBatch(t.Context(), &batch))
	if last.At == nil || !last.At.Equal(now) || *last.Device != "phone" || !last.Verified || unknown != (password.LastLogin{}) {
		t.Errorf("%+v, %+v", last, unknown)
	}
}

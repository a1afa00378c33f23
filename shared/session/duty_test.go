package session_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/check"
)

// A login keeps its duty until it is relieved. Who can write to Redis can't take the duty away, and
// no other login on the channel is relieved.
func TestADuty(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	wang := uuid.New()
	phone := h.open(t, "phone")
	begin := func() session.Login {
		number, err := h.Number(t.Context(), wang)
		check.Must(t, err)
		of := session.Login{CustomerID: wang, Duty: session.ChangeLogin}
		check.Must(t, h.StartNumbered(t.Context(), phone.id, of, number, session.Origin{}))
		return wantDuty(t, h, phone, session.ChangeLogin)
	}
	first := begin()
	second := begin()
	check.Must(t, h.Relieve(t.Context(), phone.id, first))
	wantDuty(t, h, phone, session.ChangeLogin)
	key := phone.login(t, h)
	h.redis.HSet(key, "duty", "")
	if admitted, err := phone.call(t, h.Store); !errors.Is(err, keys.ErrMAC) || admitted.Login != nil {
		t.Errorf("without its duty: %+v, %v", admitted, err)
	}
	h.redis.HSet(key, "duty", string(session.ChangeLogin))
	check.Must(t, h.Relieve(t.Context(), phone.id, second))
	if got := wantDuty(t, h, phone, session.NoDuty); got.Turn != second.Turn || !got.At.Equal(second.At) || got.CustomerID != wang {
		t.Errorf("relieved: %+v, want %+v", got, second)
	}
	check.Must(t, h.Relieve(t.Context(), phone.id, second)) // a repetition
	wantDuty(t, h, phone, session.NoDuty)
}

// wantDuty checks the duty of the login on the line.
func wantDuty(t *testing.T, h fixture, l *line, duty session.Duty) session.Login {
	t.Helper()
	admitted, err := l.call(t, h.Store)
	check.Must(t, err)
	if admitted.Login == nil || admitted.Login.Duty != duty {
		t.Fatalf("%+v, want the duty %q", admitted.Login, duty)
	}
	return *admitted.Login
}

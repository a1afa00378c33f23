package login_test

import (
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// A row of the policy counts from its day: here the bounds of failed log-ins.
func TestFiguresChangeWithTheDay(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	check.Exec(t, db.Pool(), `INSERT INTO policy (name, valid_from, value) VALUES
('login.captcha_after', '2026-11-24', 1), ('login.lock_after', '2026-11-24', 2), ('login.lock_seconds', '2026-11-24', 60),
('login.freeze_after', '2026-11-24', 3)`)
	today := time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai)
	tomorrow := today.AddDate(0, 0, 1)
	for _, tt := range []struct {
		phone   string
		at      time.Time
		captcha bool
		want    string
	}{
		{"a", today, false, "open"},
		{"a", today, false, "open"},
		{"a", today, false, "open"},
		{"a", today, false, "captcha"},
		{"a", today, true, "open"},
		{"a", today, true, "last"},
		{"a", today.Add(30*time.Minute - time.Microsecond), true, "locked"},
		{"a", today.Add(30 * time.Minute), true, "reopened open"},
		{"b", tomorrow, false, "open"},
		{"b", tomorrow, false, "captcha"},
		{"b", tomorrow, true, "last"},
		{"b", tomorrow.Add(time.Minute - time.Microsecond), true, "locked"},
		{"b", tomorrow.Add(time.Minute), true, "reopened last"}, // the third of the day freezes
		{"b", tomorrow.AddDate(0, 0, 7), true, "locked"},
	} {
		got := check.Value[string](t, db.Pool(), "SELECT login_count_attempt($1, 'd', true, $2, $3, $4)",
			[]byte(tt.phone), tt.captcha, tt.at, clock.BusinessDay(tt.at))
		if got != tt.want {
			t.Errorf("%s at %v: %q, want %q", tt.phone, tt.at, got, tt.want)
		}
	}
}

// Without a figure there is no bound, so no attempt is let in.
func TestNoFigureNoAttempt(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"login.captcha_after", "login.lock_after", "login.lock_seconds", "login.freeze_after"} {
		db := pgtest.New(t)
		check.Exec(t, db.Pool(), "DELETE FROM policy WHERE name = $1", name)
		var verdict string
		err := db.Pool().QueryRow(t.Context(), "SELECT login_count_attempt('a', 'd', true, false, now(), '2026-11-23')").Scan(&verdict)
		if err == nil {
			t.Errorf("without %s: %q", name, verdict)
		}
	}
}

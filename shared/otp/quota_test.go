package otp_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/test/check"
)

func TestCodesAreIssuedSparingly(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	login, register := d.challenge(otp.Login, "13800010001"), d.challenge(otp.Register, "13800010001")
	at := issued
	issue := func(what string, c otp.Challenge, want error) {
		t.Helper()
		if err := d.issue(c, at); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	issue("first", login, nil)
	first := d.sent(login)
	issue("another purpose", register, nil)
	at = issued.Add(59 * time.Second)
	issue("after 59 s", login, otp.ErrTooOften)
	if d.sent(login) != first {
		t.Error("a refused request voided the code")
	}
	at = issued.Add(60 * time.Second)
	issue("after 60 s", login, nil)
	for n := 3; n <= 10; n++ {
		at = at.Add(time.Minute)
		issue(fmt.Sprintf("number %d", n), login, nil)
	}
	at = at.Add(time.Hour)
	issue("the eleventh of a day", login, otp.ErrTooOften)
	issue("another purpose, whose code was used up by no other", register, nil)
	issue("another number", d.challenge(otp.Login, "13800010002"), nil)
	at = issued.Add(24*time.Hour - time.Millisecond)
	issue("a moment before the first is a day old", login, otp.ErrTooOften)
	at = issued.Add(24 * time.Hour)
	issue("a day after the first", login, nil)
	issue("at once", login, otp.ErrTooOften)
	at = at.Add(time.Minute - time.Millisecond)
	issue("a moment before the second is a day old", login, otp.ErrTooOften)
	at = at.Add(time.Millisecond)
	issue("a day after the second", login, nil)
}

// The pause knows no midnight, and the refusal tells the time that is left.
func TestTheRefusalTellsTheTimeLeft(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, clock.Shanghai)
	c := d.challenge(otp.Login, "13800010001")
	check.Must(t, d.issue(c, midnight.Add(-time.Second)))
	for after, want := range map[time.Duration]time.Duration{0: 59 * time.Second, 58500 * time.Millisecond: 500 * time.Millisecond} {
		var refused *bankerr.Error
		if err := d.issue(c, midnight.Add(after)); !errors.As(err, &refused) || refused.RetryAfter() != want {
			t.Errorf("%v after midnight: %v, want %v to wait", after, err, want)
		}
	}
	for n := range 9 {
		check.Must(t, d.issue(c, midnight.Add(time.Duration(n+1)*time.Minute)))
	}
	var refused *bankerr.Error
	at := midnight.Add(10 * time.Hour)
	if err := d.issue(c, at); !errors.As(err, &refused) || refused.RetryAfter() != 14*time.Hour-time.Second {
		t.Errorf("the eleventh: %v must wait %v", err, refused.RetryAfter())
	}
}

// Many networks of one IPv6 block can't use up the number's quota: a block of 56 bits has
// 8 codes, and one of 48 bits has 12.
func TestQuotasOfIPv6Blocks(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	at, sent := issued, 0
	for n := range 8 {
		for range 5 {
			c := d.challenge(otp.Login, "13800010001")
			c.Quotas = otp.UnknownQuotas(fmt.Sprintf("2001:db8:1:%x::1", n<<6)) // four networks in each block of 56 bits
			err := d.issue(c, at)
			if err == nil {
				sent++
			} else if !errors.Is(err, otp.ErrTooOften) {
				t.Fatal(err)
			}
			at = at.Add(time.Minute)
		}
		if want := []int{5, 8, 8, 8, 12, 12, 12, 12}[n]; sent != want {
			t.Errorf("%d codes after %d networks, want %d", sent, n+1, want)
		}
	}
	c := d.challenge(otp.Login, "13800010001")
	c.Quotas = otp.UnknownQuotas("2001:db8:2::1")
	check.Must(t, d.issue(c, at))
}

// A stranger's codes use up no quota of the customer's, and one address can't use up
// the number's quota of unknown devices.
func TestQuotasOfStrangers(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	at := issued
	send := func(want error, quotas ...otp.Quota) {
		t.Helper()
		c := d.challenge(otp.Login, "13800010001")
		c.Quotas = quotas
		if err := d.issue(c, at); !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", quotas, err, want)
		}
		at = at.Add(time.Minute)
	}
	for _, address := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "2001:db8::1"} {
		for range 5 {
			send(nil, otp.UnknownQuotas(address)...)
		}
		send(otp.ErrTooOften, otp.UnknownQuotas(address)...)
	}
	send(otp.ErrTooOften, otp.UnknownQuotas("203.0.113.4")...) // the number's twenty are sent
	for range 10 {
		send(nil, otp.KnownQuota(device))
	}
	send(otp.ErrTooOften, otp.KnownQuota(device))
	send(nil, otp.KnownQuota("device-2"))
	for range 10 {
		send(nil, otp.OwnQuota())
	}
	send(otp.ErrTooOften, otp.OwnQuota())
}

// A row of the policy is in force from its day, for the codes that are issued then.
func TestFiguresChangeWithTheDay(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	tomorrow := issued.AddDate(0, 0, 1)
	check.Exec(d.t, d.db.Pool(), `
INSERT INTO policy (name, valid_from, value) VALUES ('otp.tries', '2026-11-24', 1), ('otp.day_max', '2026-11-24', 2),
('otp.life_seconds', '2026-11-24', 30), ('otp.resend_seconds', '2026-11-24', 10)`)
	for _, tt := range []struct {
		name           string
		at             time.Time
		tries, day     int
		life, interval time.Duration
	}{
		{"today", issued, tries, 10, life, time.Minute},
		{"the last second of today", time.Date(2026, 11, 23, 23, 59, 0, 0, clock.Shanghai), tries, 10, life, time.Minute},
		{"tomorrow", tomorrow, 1, 2, 30 * time.Second, 10 * time.Second},
		{"the day after", tomorrow.AddDate(0, 0, 1), 1, 2, 30 * time.Second, 10 * time.Second},
	} {
		c := d.challenge(otp.Login, fmt.Sprintf("1380003%04d", tt.at.Unix()%10000))
		check.Must(t, d.issue(c, tt.at))
		wrong := other(d.sent(c))
		for range tt.tries + 1 {
			d.guess(c.Subject, c.Binding, wrong, tt.at)
		}
		if n := d.counted(c); n != tt.tries {
			t.Errorf("%s: %d tries, want %d", tt.name, n, tt.tries)
		}
		terms, err := otp.ReadTerms(t.Context(), d.db.Reader(), tt.at)
		if err != nil || terms != (otp.Terms{Life: tt.life, Resend: tt.interval}) {
			t.Errorf("%s: told %+v, %v", tt.name, terms, err)
		}
		var found otp.Issued
		check.Must(t, found.Scan(d.db.Pool().QueryRow(t.Context(), otp.LoadSQL, c.Subject)))
		if found.Life() != tt.life {
			t.Errorf("%s: a code lives %v, want %v", tt.name, found.Life(), tt.life)
		}
		d.wantQuota(t, tt.name, tt.at, tt.interval, tt.day)
	}
}

// wantQuota checks that a number gets so many codes that day, so far apart.
func (d fixture) wantQuota(t *testing.T, name string, at time.Time, apart time.Duration, most int) {
	t.Helper()
	day := time.Date(at.Year(), at.Month(), at.Day(), 10, 0, 0, 0, clock.Shanghai)
	c := d.challenge(otp.Login, "13900000000")
	check.Exec(d.t, d.db.Pool(), "DELETE FROM otp_quota")
	check.Must(t, d.issue(c, day))
	if err := d.issue(c, day.Add(apart-time.Millisecond)); !errors.Is(err, otp.ErrTooOften) {
		t.Errorf("%s: a second code before %v: %v", name, apart, err)
	}
	for n := 2; n <= most; n++ {
		if err := d.issue(c, day.Add(time.Duration(n)*apart)); err != nil {
			t.Errorf("%s: code %d of %d: %v", name, n, most, err)
		}
	}
	if err := d.issue(c, day.Add(time.Hour)); !errors.Is(err, otp.ErrTooOften) {
		t.Errorf("%s: one code more than %d: %v", name, most, err)
	}
}

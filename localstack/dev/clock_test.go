package dev_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidebank/tidebank/localstack/dev"
	"github.com/tidebank/tidebank/localstack/devapi"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/test/check"
)

func (d *fixture) wantAhead(t *testing.T, ahead time.Duration) {
	t.Helper()
	var got devapi.Clock
	d.read(t, "GET", "/dev/clock", &got)
	want := d.Clock.Now().Add(ahead)
	if got.Ahead != ahead.String() || !got.Now.Equal(want.Truncate(time.Second)) || !d.clock.Now().Equal(want) {
		t.Errorf("the clock shows %+v, want %v", got, want)
	}
}

// The clock moves forward by what is ordered, and a store without a clock moves with it.
func TestTheClockMovesForward(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	var moved []time.Duration
	d.clock.OnAdvance(func(by time.Duration) { moved = append(moved, by) })
	d.wantAhead(t, 0)
	for _, order := range []string{`{"advance":"24h"}`, `{"advance":"90s"}`} {
		if w := d.ask("POST", "/dev/clock", order); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", order, w.Code, w.Body)
		}
	}
	d.wantAhead(t, 24*time.Hour+90*time.Second)
	if len(moved) != 2 || moved[0] != 24*time.Hour || moved[1] != 90*time.Second {
		t.Errorf("moved by %v", moved)
	}
	d.Advance(time.Minute) // the machine's clock runs on
	d.wantAhead(t, 24*time.Hour+90*time.Second)
}

// A bad order is refused with the reason and changes nothing. The clock never moves back.
func TestOrdersThatTheClockRefuses(t *testing.T) {
	t.Parallel()
	d := newFixture(t)
	d.ask("POST", "/dev/clock", `{"advance":"1h"}`)
	for _, order := range []string{
		"", "{}", "[]", "1h", `{"advance":1}`, `{"advance":""}`, `{"advance":"1 day"}`, `{"advance":"0s"}`, `{"advance":"-1h"}`,
		`{"advance":"671h0m1s"}`, `{"advance":"2562047h"}`, `{"advance":"9999999h"}`, `{"reset":true}`, `{"advance":"1h","reset":true}`,
	} {
		w := d.ask("POST", "/dev/clock", order)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "--fresh") {
			t.Errorf("%s: %d %s", order, w.Code, w.Body)
		}
	}
	d.wantAhead(t, time.Hour)
	if w := d.ask("POST", "/dev/clock", `{"advance":"671h"}`); w.Code != http.StatusOK { // 28 days in all
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The file keeps the difference. A file that holds something else is named.
func TestTheClockOfTheLastRun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "clock")
	base := clock.NewManual(time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai))
	for _, want := range []time.Duration{0, time.Hour, 2 * time.Hour} {
		c, err := dev.OpenClock(base, file)
		check.Must(t, err)
		if c.Ahead() != want || !c.Now().Equal(base.Now().Add(want)) {
			t.Errorf("%v ahead, want %v", c.Ahead(), want)
		}
		check.Must(t, c.Advance(time.Hour))
	}
	for _, text := range []string{"", "soon", "-1h", "673h"} {
		check.Must(t, os.WriteFile(file, []byte(text), 0o600))
		if _, err := dev.OpenClock(base, file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// If the file can't be written, the clock does not move: the next start would go back.
func TestAClockThatCannotBeKeptStays(t *testing.T) {
	t.Parallel()
	base := clock.NewManual(time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai))
	c, err := dev.OpenClock(base, filepath.Join(t.TempDir(), "missing", "clock"))
	check.Must(t, err)
	if err := c.Advance(time.Hour); err == nil || c.Ahead() != 0 {
		t.Errorf("%v, %v ahead", err, c.Ahead())
	}
}

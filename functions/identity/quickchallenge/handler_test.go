package quickchallenge_test

import (
	"testing"
	"time"

	identityquickchallenge "github.com/tidebank/tidebank/functions/identity/quickchallenge"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

// Everybody gets a fresh challenge, and upkeep deletes it a day after its end.
func TestEachChallengeIsFresh(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	d := b.Device(t, "phone")
	seen := map[string]bool{}
	for range 8 {
		var got identityquickchallenge.Response
		d.Call(t, identityquickchallenge.Function, "", struct{}{}).Into(t, &got)
		if len(got.Challenge) != device.ChallengeBytes || seen[string(got.Challenge)] ||
			!got.ExpiresAt.Equal(bank.Start.Add(2*time.Minute)) {
			t.Fatalf("%x until %v", got.Challenge, got.ExpiresAt)
		}
		seen[string(got.Challenge)] = true
	}
	for _, tt := range []struct {
		after time.Duration
		want  int64
	}{{24*time.Hour + 2*time.Minute, 0}, {24*time.Hour + 2*time.Minute + time.Second, 8}} {
		n, err := b.Host.DB.Prune(t.Context(), device.Retention(), bank.Start.Add(tt.after))
		if check.Must(t, err); n != tt.want {
			t.Errorf("after %v: %d rows are deleted, want %d", tt.after, n, tt.want)
		}
	}
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	b.Device(t, "phone").Call(t, identityquickchallenge.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
}

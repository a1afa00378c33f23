package password_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// BenchmarkHash measures the CPU of a password's hash, which docs/performance.md tells: the
// time of the clock also counts the machine's other work.
func BenchmarkHash(b *testing.B) {
	turn, err := newStore(keytest.New(b), password.Rounds).Begin(b.Context())
	check.Must(b, err)
	defer turn.End()
	spent := func() time.Duration {
		var use syscall.Rusage
		check.Must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &use))
		return time.Duration(use.Utime.Nano() + use.Stime.Nano())
	}
	at, before := password.OfLogin(uuid.New()), spent()
	for b.Loop() {
		_, err := turn.Hash(at, []byte(login))
		check.Must(b, err)
	}
	b.ReportMetric((spent()-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
}

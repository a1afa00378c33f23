package bank

import (
	"context"
	"testing"
)

// Background runs work until the test ends or the caller calls stop. stop waits until
// work has returned.
func Background(t testing.TB, work func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		work(ctx)
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

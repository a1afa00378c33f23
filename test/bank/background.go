package bank

import (
	"context"
	"testing"
)

// Background lets work run until the test ends, or until the function returned is
// called, which waits for it.
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

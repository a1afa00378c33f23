package pg

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// notifier sends NOTIFYs after commits, at most one for each channel in a short
// pause. A NOTIFY inside the transaction would make PostgreSQL commit one such
// transaction at a time.
type notifier struct {
	signal chan struct{}
	cancel context.CancelFunc
	once   sync.Once
	run    func()

	mu       sync.Mutex
	channels map[string]bool // channels that wait for their NOTIFY
}

const (
	notifyEvery   = 10 * time.Millisecond
	notifyTimeout = 2 * time.Second
)

const sqlNotify = `-- pg.notify
SELECT pg_notify(channel, '') FROM unnest($1::text[]) AS channel`

func newNotifier(pool *pgxpool.Pool) *notifier {
	ctx, cancel := context.WithCancel(context.Background())
	n := &notifier{signal: make(chan struct{}, 1), cancel: cancel, channels: map[string]bool{}}
	n.run = func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-n.signal:
			}
			n.send(ctx, pool)
			select {
			case <-ctx.Done():
				return
			case <-time.After(notifyEvery):
			}
		}
	}
	return n
}

// send notifies the channels that wait. Listeners poll as well, so a lost NOTIFY costs
// time only.
func (n *notifier) send(ctx context.Context, pool *pgxpool.Pool) {
	ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
	defer cancel()
	_, _ = pool.Exec(ctx, sqlNotify, n.take())
}

// committed notifies the channels that the statements of a committed transaction
// named.
func (n *notifier) committed(channels []string) {
	if len(channels) == 0 {
		return
	}
	n.mu.Lock()
	for _, channel := range channels {
		n.channels[channel] = true
	}
	n.mu.Unlock()
	n.once.Do(func() { go n.run() })
	select {
	case n.signal <- struct{}{}:
	default: // the notifier has a signal already
	}
}

// take removes and returns the channels that wait for their NOTIFY.
func (n *notifier) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	channels := make([]string, 0, len(n.channels))
	for channel := range n.channels {
		channels = append(channels, channel)
	}
	clear(n.channels)
	return channels
}

func (n *notifier) stop() { n.cancel() }

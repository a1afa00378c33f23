package broker

import (
	"context"

	"github.com/tidebank/tidebank/events"
)

// Hold claims what is due as Run does, and returns the try of each: a broker that
// dies never gets to it, one that hangs gets to it late.
func (b *Broker) Hold(ctx context.Context) ([]func(), error) {
	claimed, err := b.claim(ctx, events.LaneAudit, 64)
	var tries []func()
	for _, d := range claimed {
		tries = append(tries, func() { b.try(ctx, d) })
	}
	return tries, err
}

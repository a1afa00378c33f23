package session

import (
	"testing"

	"github.com/tidebank/tidebank/shared/channel"
)

// The cache forgets unused channels, keeps used ones, and stays small.
func TestChannelCacheIsBounded(t *testing.T) {
	t.Parallel()
	const size = 8
	c := newChannelCache(size)
	used := channel.ID{15: 1}
	c.put(used, Channel{DeviceID: "phone"})
	for n := range 100 {
		c.put(channel.ID{0: byte(n + 1)}, Channel{})
		if got, ok := c.get(used); !ok || got.DeviceID != "phone" {
			t.Fatalf("the channel in use is gone after %d others", n+1)
		}
		if have := len(c.young) + len(c.old); have > 2*size {
			t.Fatalf("%d channels are kept", have)
		}
	}
	if _, ok := c.get(channel.ID{0: 1}); ok {
		t.Error("an unused channel is still there")
	}
	c.drop(used)
	if _, ok := c.get(used); ok {
		t.Error("a dropped channel is still there")
	}
}

// The cache keeps as many unused channels as its size.
func TestChannelCacheKeepsItsSize(t *testing.T) {
	t.Parallel()
	const size = 8
	c := newChannelCache(size)
	for n := range size {
		c.put(channel.ID{0: byte(n)}, Channel{})
	}
	for n := range size {
		if _, ok := c.get(channel.ID{0: byte(n)}); !ok {
			t.Errorf("channel %d of %d is gone", n+1, size)
		}
	}
}

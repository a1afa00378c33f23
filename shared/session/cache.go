package session

import (
	"sync"

	"github.com/tidebank/tidebank/shared/channel"
)

// channelCache remembers the keys of channels that this instance has served. It
// is two generations of a map: when the young one is full it becomes the old
// one, so memory is bounded and what is in use survives.
type channelCache struct {
	mu         sync.Mutex
	size       int
	young, old map[channel.ID]Channel
}

func newChannelCache(size int) *channelCache {
	return &channelCache{size: size, young: map[channel.ID]Channel{}}
}

func (c *channelCache) get(id channel.ID) (Channel, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found, ok := c.young[id]; ok {
		return found, true
	}
	found, ok := c.old[id]
	if ok {
		c.add(id, found)
	}
	return found, ok
}

func (c *channelCache) put(id channel.ID, opened Channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(id, opened)
}

func (c *channelCache) drop(id channel.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, id)
	delete(c.old, id)
}

func (c *channelCache) add(id channel.ID, opened Channel) {
	if len(c.young) >= c.size {
		c.old, c.young = c.young, make(map[channel.ID]Channel, c.size)
	}
	c.young[id] = opened
}

package session

import (
	"sync"

	"github.com/tidebank/tidebank/shared/channel"
)

// channelCache stores the keys of channels that this instance has served. It has two
// maps. When the young map is full, it replaces the old map. So memory is bounded,
// and channels in use stay in the cache.
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

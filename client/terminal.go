package client

import (
	"fmt"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
)

// TerminalID returns the device id of a browser with this key and navigator.userAgent. It is the same after a
// restart and an update of the browser.
func TerminalID(key *sm.PublicKey, userAgent string) (string, error) {
	public, err := key.Marshal()
	if err != nil {
		return "", fmt.Errorf("client: %w", err)
	}
	return device.Terminal{PublicKey: public, UserAgent: userAgent}.ID(), nil
}

// terminal proves the device id of a browser for one hello; nil for an app.
func (c *Client) terminal(hello channel.Hello) (*device.Terminal, error) {
	if c.config.UserAgent == "" {
		return nil, nil //nolint:nilnil // a hello without a terminal
	}
	if c.config.Device == nil {
		return nil, ErrNoDevice
	}
	public, err := c.config.Device.Public().Marshal()
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	t := &device.Terminal{PublicKey: public, UserAgent: c.config.UserAgent}
	if t.Signature, err = sm.Sign(c.config.Device, t.Text(hello)); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return t, nil
}

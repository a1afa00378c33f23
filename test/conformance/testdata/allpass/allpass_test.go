// Package allpass holds tests that pass, so that go test keeps their result.
package allpass

import (
	"testing"

	"github.com/tidebank/tidebank/test/req"
)

func TestOne(t *testing.T) {
	req.Covers(t, "TEST-001.1")
	t.Run("part", func(*testing.T) {})
	t.Run("other part", func(*testing.T) {})
}

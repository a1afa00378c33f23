package device_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
)

// docs/protocol.md tells the digests of the signed texts for the channel, device and key of its
// vectors.
func TestTheDocumentsVectors(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/protocol.md")
	check.Must(t, err)
	_, after, begun := strings.Cut(string(raw), "<!-- vectors -->\n```json\n")
	vectors, _, ended := strings.Cut(after, "```")
	if !begun || !ended {
		t.Fatal("docs/protocol.md has no vectors")
	}
	var v struct {
		Key struct {
			Public string `json:"public"`
		} `json:"device_key"`
		Hello struct {
			DeviceID string `json:"device_id"`
		} `json:"hello"`
		Welcome struct {
			ChannelID []byte `json:"channel_id"`
		} `json:"welcome"`
	}
	check.Must(t, json.Unmarshal([]byte(vectors), &v))
	public, err := hex.DecodeString(v.Key.Public)
	check.Must(t, err)
	challenge := make([]byte, device.ChallengeBytes)
	for i := range challenge {
		challenge[i] = byte(i)
	}
	id, from := channel.ID(v.Welcome.ChannelID), device.Origin{DeviceID: v.Hello.DeviceID, Public: public}
	for what, text := range map[string][]byte{
		"SM3 of the six parts": device.QuickText(id, from, challenge, device.ByFace),
		"SM3 of the five parts that register the same key for `face`": device.UnlockText(id, from.DeviceID, device.ByFace, public),
	} {
		if row := fmt.Sprintf("| %s | `%x` |", what, sm.Digest(text)); !strings.Contains(string(raw), row) {
			t.Errorf("docs/protocol.md has no row %s", row)
		}
	}
}

package device

import (
	"encoding/hex"
	"errors"
	"strings"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/sm"
)

// terminalPrefix begins each device id that follows from a key.
const terminalPrefix = "t1-"

// terminalBytes of a digest are in a device id.
const terminalBytes = 20

// Errors of a Terminal.
var (
	errTerminalForged   = errors.New("the device id does not follow from the terminal's key and features")
	errTerminalUnproved = errors.New("the terminal has not signed this hello")
	errTerminalMissing  = errors.New("a device id that follows from a key comes without the key")
)

// Terminal is the fingerprint of a browser (DEVICE-002): a key of its own and the features that no
// restart and no update changes. The device id follows from both, so nobody has it without the key.
type Terminal struct {
	PublicKey []byte `json:"public_key" format:"sm2-public-key" doc:"PKIX DER: the device's key"`
	UserAgent string `json:"user_agent" minLength:"1" maxLength:"512" doc:"navigator.userAgent" example:"Mozilla/5.0"`
	Signature []byte `json:"signature" minLength:"1" maxLength:"128" doc:"By the device's key (docs/protocol.md, section 3)"`
}

// family is a name that the bank gives all versions of a browser or system.
type family struct{ token, name string }

// The first token that stands in the user agent decides: Chrome also names Safari, and others name Chrome.
var (
	browsers = []family{
		{"MicroMessenger/", "wechat"},
		{"QQBrowser/", "qq"},
		{"UCBrowser/", "uc"},
		{"HuaweiBrowser/", "huawei"},
		{"MiuiBrowser/", "miui"},
		{"SamsungBrowser/", "samsung"},
		{"Edg/", "edge"},
		{"EdgA/", "edge"},
		{"EdgiOS/", "edge"},
		{"OPR/", "opera"},
		{"Firefox/", "firefox"},
		{"FxiOS/", "firefox"},
		{"CriOS/", "chrome"},
		{"Chrome/", "chrome"},
		{"Safari/", "safari"},
	}
	systems = []family{
		{"OpenHarmony", "harmonyos"},
		{"HarmonyOS", "harmonyos"},
		{"Android", "android"},
		{"iPhone", "ios"},
		{"iPad", "ios"},
		{"Windows", "windows"},
		{"Mac OS X", "macos"},
		{"CrOS", "chromeos"},
		{"Linux", "linux"},
	}
)

func familyOf(userAgent string, list []family) string {
	for _, f := range list {
		if strings.Contains(userAgent, f.token) {
			return f.name
		}
	}
	return "other"
}

// ID is the device id of the terminal: "t1-" and the first 20 bytes, in lower-case hexadecimal, of the SM3 of
// the ASCII text "tidebank terminal v1", the public key, the browser's family and the system's family, each
// preceded by its length in four bytes. Versions are no part of it.
func (t Terminal) ID() string {
	digest := sm.Digest(channel.Join([]byte("tidebank terminal v1"), t.PublicKey,
		[]byte(familyOf(t.UserAgent, browsers)), []byte(familyOf(t.UserAgent, systems))))
	return terminalPrefix + hex.EncodeToString(digest[:terminalBytes])
}

// Text is what the terminal's key signs for one hello: the ASCII text "tidebank terminal hello v1", the hello's
// client_key and client_random, the device id, the public key and the user agent, each preceded by its length
// in four bytes. The keys of a channel are of the hello's fresh key, so whoever repeats the hello has no channel.
func (t Terminal) Text(hello channel.Hello) []byte {
	return channel.Join([]byte("tidebank terminal hello v1"), hello.ClientKey, hello.ClientRandom, []byte(hello.DeviceID), t.PublicKey,
		[]byte(t.UserAgent))
}

// CheckTerminal refuses a hello whose device id follows from a key, unless the hello proves this key. t
// is nil if the hello has no terminal. Device ids of other forms are what apps make once for their installation.
func CheckTerminal(hello channel.Hello, t *Terminal) error {
	switch {
	case t == nil && strings.HasPrefix(hello.DeviceID, terminalPrefix):
		return errTerminalMissing
	case t == nil:
		return nil
	case t.ID() != hello.DeviceID:
		return errTerminalForged
	case !Signed(t.PublicKey, t.Text(hello), t.Signature):
		return errTerminalUnproved
	}
	return nil
}

package environment

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/device"
	"github.com/tidebank/tidebank/shared/sm"
)

// reported lists what an app may find.
var reported = []Finding{Root, Jailbreak, Emulator, VirtualMachine, Debugger, Automation, Repackaged, Proxy, ScreenCapture}

// Report is an app's report about its environment. A call holds it inside its sealed frame.
type Report struct {
	Session      []byte     `json:"session" minLength:"24" maxLength:"24" doc:"The channel's id, 16 bytes" example:"AAAAAAAAAAAAAAAAAAAAAA=="` //nolint:revive // a tag is one line
	IntentID     *uuid.UUID `json:"intent_id,omitempty" format:"uuid" doc:"The order for which the report is made"`
	Nonce        []byte     `json:"nonce" minLength:"24" maxLength:"24" doc:"16 random bytes, fresh for each report" example:"AQIDBAUGBwgJCgsMDQ4PEA=="` //nolint:revive // a tag is one line
	Findings     []Finding  `json:"findings" maxItems:"9" doc:"docs/protocol.md, section 7; empty: nothing was found" example:"[]"`
	Page         string     `json:"page,omitempty" maxLength:"40" pattern:"^[a-z0-9/-]*$" doc:"With screen_capture: the page that it shows"`
	AppSignature []byte     `json:"app_signature" minLength:"44" maxLength:"44" doc:"SM3 of the certificate that signed the app" example:"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="` //nolint:revive // a tag is one line
	Signature    []byte     `json:"signature,omitempty" maxLength:"128" doc:"By the device's key (docs/protocol.md, section 7)"`
}

// CheckForm checks the form of a report only. The names of its fields stand below the prefix.
func (r Report) CheckForm(prefix string) error {
	for i, f := range r.Findings {
		if !slices.Contains(reported, f) || slices.Contains(r.Findings[:i], f) {
			return bankerr.InvalidField(prefix+"findings", "unknown or twice")
		}
	}
	if (r.Page != "") != slices.Contains(r.Findings, ScreenCapture) {
		return bankerr.InvalidField(prefix+"page", "page and screen_capture go together")
	}
	return nil
}

// Text is what the device's key signs: the ASCII text "tidebank environment report v1",
// session, intent id (text, or empty), nonce, findings joined with commas, page and
// app_signature, each preceded by its length in four bytes.
func (r Report) Text() []byte {
	intent := ""
	if r.IntentID != nil {
		intent = r.IntentID.String()
	}
	return channel.Join([]byte("tidebank environment report v1"), r.Session, []byte(intent), r.Nonce,
		[]byte(strings.Join(texts(r.Findings), ",")), []byte(r.Page), r.AppSignature)
}

// Apps holds the digests of the certificates that sign the bank's apps.
type Apps struct{ digests [][]byte }

// Config is read from the environment once: SM3 digests in hexadecimal, with commas between
// them. The empty text allows only the Go client of this repository, for tests and the demo.
type Config struct {
	Signatures string `envconfig:"APP_SIGNATURES"`
}

var errSignatures = errors.New("APP_SIGNATURES: not a list of SM3 digests, each of 64 hexadecimal digits")

// GoClient is the digest that the Go client reports as its signature.
func GoClient() []byte { return sm.Digest([]byte("tidebank go client")) }

// ParseApps reads the list.
func ParseApps(config Config) (Apps, error) {
	if config.Signatures == "" {
		return Apps{digests: [][]byte{GoClient()}}, nil
	}
	var apps Apps
	for part := range strings.SplitSeq(config.Signatures, ",") {
		digest, err := hex.DecodeString(strings.TrimSpace(part))
		if err != nil || len(digest) != len(GoClient()) {
			return Apps{}, fmt.Errorf("%w: %q", errSignatures, part)
		}
		apps.digests = append(apps.digests, digest)
	}
	return apps, nil
}

// Examine returns the findings of a report that came on a channel, with those of the bank. key
// is the device's public key; nil: it has proved none. A nil report is Missing.
func (a Apps) Examine(r *Report, id channel.ID, key []byte) []Finding {
	if r == nil {
		return []Finding{Missing}
	}
	found := slices.Clone(r.Findings)
	if !bytes.Equal(r.Session, id[:]) {
		found = append(found, OtherSession)
	}
	if !device.Signed(key, r.Text(), r.Signature) {
		found = append(found, Altered)
	}
	if !slices.ContainsFunc(a.digests, func(d []byte) bool { return bytes.Equal(d, r.AppSignature) }) {
		found = append(found, UnknownApp)
	}
	return found
}

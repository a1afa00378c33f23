package channel

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/sm"
)

// NonceSize is the length of the nonce of an app's request for a manifest.
const NonceSize = 32

// ErrOutdated refuses an app that is older than the bank's minimum for its platform.
var ErrOutdated = bankerr.New(bankerr.Forbidden, "APP_OUTDATED")

// OutdatedError is the cause of ErrOutdated that tells where the new version is.
type OutdatedError struct{ DownloadURL string }

// Error names the address.
func (o *OutdatedError) Error() string { return "the new version is at " + o.DownloadURL }

// VersionsConfig is read from the environment once. It holds, by platform, the lowest and the
// newest version of the app, and the address of the newest one: ios=3.2.0,android=3.1.0 and
// ios=https://….
type VersionsConfig struct {
	Minimum  string `envconfig:"APP_MINIMUM"`
	Latest   string `envconfig:"APP_LATEST"`
	Download string `envconfig:"APP_DOWNLOAD"`
}

// Versions are the versions of the app that the bank knows. The zero value knows none, and
// refuses no app.
type Versions struct {
	minimum, latest Minimum
	download        map[string]string
}

var errDownload = errors.New("APP_DOWNLOAD must be a list such as ios=https://…,android=https://…")

// ParseVersions reads the configuration.
func ParseVersions(c VersionsConfig) (Versions, error) {
	var v Versions
	var err error
	if v.minimum, err = ParseMinimum(c.Minimum); err != nil {
		return v, fmt.Errorf("APP_MINIMUM: %w", err)
	}
	if v.latest, err = ParseMinimum(c.Latest); err != nil {
		return v, fmt.Errorf("APP_LATEST: %w", err)
	}
	for platform, least := range v.minimum.by {
		if newest, known := v.latest.by[platform]; known && slices.Compare(newest[:], least[:]) < 0 {
			return v, fmt.Errorf("APP_LATEST: %s is below APP_MINIMUM: %w", platform, errMinimum)
		}
	}
	v.download, err = parseDownload(c.Download)
	return v, err
}

func parseDownload(text string) (map[string]string, error) {
	by := map[string]string{}
	if text == "" {
		return by, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		platform, address, _ := strings.Cut(strings.TrimSpace(part), "=")
		at, err := url.Parse(address)
		_, twice := by[platform]
		if err != nil || at.Scheme != "https" || at.Hostname() == "" || at.User != nil || twice || !slices.Contains(platforms, platform) {
			return nil, fmt.Errorf("%q: %w", part, errDownload)
		}
		by[platform] = address
	}
	return by, nil
}

// Check refuses an app below its platform's minimum, and tells it the address of the newest
// version. It refuses no app that does not name itself.
func (v Versions) Check(app *App) error {
	if !v.minimum.Refuses(app) {
		return nil
	}
	return ErrOutdated.Because(&OutdatedError{DownloadURL: v.download[app.Platform]})
}

// Manifest tells an app of one platform the versions that the bank knows. Texts are empty
// where the bank names no version or address. The signature is SM2, by a channel key of the
// bank, over the other fields and a nonce of the app. So nobody can alter a manifest, or
// show an old one.
type Manifest struct {
	Platform    string    `json:"platform"`
	Latest      string    `json:"latest" doc:"The newest version; empty if the bank names none"`
	Minimum     string    `json:"minimum" doc:"Older versions can't log in; empty if the bank names none"`
	DownloadURL string    `json:"download_url" doc:"Where the newest version is; empty if the bank names no address"`
	IssuedAt    time.Time `json:"issued_at"`
	Signature   []byte    `json:"signature" doc:"SM2, by the channel key (docs/versions.md)"`
}

// Manifest makes the manifest of a platform, without a signature.
func (v Versions) Manifest(platform string, at time.Time) Manifest {
	return Manifest{
		Platform: platform, Latest: v.latest.of(platform), Minimum: v.minimum.of(platform),
		DownloadURL: v.download[platform], IssuedAt: at,
	}
}

// Text is what the signature is over: the ASCII text "tidebank app version v1", the app's
// nonce, the platform, the newest version, the lowest version, the address, and the time as
// RFC 3339 in UTC with whole seconds; each preceded by its length in four bytes.
func (m Manifest) Text(nonce []byte) []byte {
	return Join([]byte("tidebank app version v1"), nonce, []byte(m.Platform), []byte(m.Latest), []byte(m.Minimum),
		[]byte(m.DownloadURL), []byte(m.IssuedAt.UTC().Truncate(time.Second).Format(time.RFC3339)))
}

// Signed reports whether one of the bank's keys has signed the manifest for the nonce.
func (m Manifest) Signed(nonce []byte, pinned ...*sm.PublicKey) bool {
	return slices.ContainsFunc(pinned, func(key *sm.PublicKey) bool { return sm.Verify(key, m.Text(nonce), m.Signature) == nil })
}

// of returns the version of a platform as text; empty if there is none.
func (m Minimum) of(platform string) string {
	v, known := m.by[platform]
	if !known {
		return ""
	}
	parts := make([]string, len(v))
	for i, n := range v {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, ".")
}

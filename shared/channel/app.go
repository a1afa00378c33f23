package channel

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// App is the app that sends a hello, as it calls itself. An app can claim anything: the
// bank uses it to ask customers for an update, and never as a proof.
type App struct {
	Platform string `json:"platform" enum:"ios,android,harmonyos,h5"`
	Version  string `json:"version" minLength:"5" maxLength:"17" doc:"major.minor.patch, such as 3.2.0" example:"3.2.0"`
}

// Valid reports whether the version has the form major.minor.patch.
func (a App) Valid() bool {
	_, ok := parseVersion(a.Version)
	return ok
}

var platforms = []string{"ios", "android", "harmonyos", "h5"}

// version is major, minor and patch.
type version [3]int

// parseVersion reads three numbers of at most five digits, without leading zeros.
func parseVersion(text string) (v version, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 99_999 || strconv.Itoa(n) != part {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// Minimum holds a version of the app by platform: the lowest that may open channels and log
// in. The zero value refuses no app.
type Minimum struct{ by map[string]version }

var errMinimum = errors.New("must be a list such as ios=3.2.0,android=3.1.0, with each of ios, android, harmonyos and h5 at most once")

// ParseMinimum reads a list such as ios=3.2.0,android=3.1.0. The empty text is the zero
// value.
func ParseMinimum(text string) (Minimum, error) {
	m := Minimum{by: map[string]version{}}
	if text == "" {
		return m, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		platform, number, _ := strings.Cut(strings.TrimSpace(part), "=")
		v, ok := parseVersion(number)
		if _, twice := m.by[platform]; !ok || twice || !slices.Contains(platforms, platform) {
			return Minimum{}, fmt.Errorf("%q: %w", text, errMinimum)
		}
		m.by[platform] = v
	}
	return m, nil
}

// Refuses reports whether the app is older than its platform's minimum. It refuses no
// app that does not name itself.
func (m Minimum) Refuses(app *App) bool {
	if app == nil {
		return false
	}
	least, bounded := m.by[app.Platform]
	v, _ := parseVersion(app.Version)
	return bounded && slices.Compare(v[:], least[:]) < 0
}

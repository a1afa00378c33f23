package fn

import (
	"net/http"
	"strconv"
	"time"

	"github.com/tidebank/tidebank/shared/clock"
)

// APIVersion is the version of the API: of all HTTP functions together. docs/versions.md
// says what may change within a version.
const APIVersion = "1.0"

// DeprecatedFor is how long a deprecated function lives at least: apps on phones are
// updated late.
const DeprecatedFor = 180 * 24 * time.Hour

// Deprecation says that a function will end. Its dates are days in Shanghai, such as
// 2026-12-01. The zero value says nothing.
type Deprecation struct {
	Since     string // the day from which apps should not begin to use the function
	Sunset    string // the day from which it may be gone; empty: not decided
	Successor string // the function to use instead; empty: there is none
}

// dates returns both days. Sunset is zero if it is not decided.
func (d Deprecation) dates() (since, sunset time.Time, err error) {
	if since, err = time.ParseInLocation(time.DateOnly, d.Since, clock.Shanghai); err != nil || d.Sunset == "" {
		return since, sunset, err
	}
	sunset, err = time.ParseInLocation(time.DateOnly, d.Sunset, clock.Shanghai)
	return since, sunset, err
}

// wrong reports a deprecation that contradicts itself or is too short.
func (d Deprecation) wrong() bool {
	if d.Since == "" {
		return d != Deprecation{}
	}
	since, sunset, err := d.dates()
	return err != nil || !sunset.IsZero() && sunset.Sub(since) < DeprecatedFor ||
		d.Successor != "" && !nameForm.MatchString(d.Successor)
}

// tell writes the headers by which clients learn of it: Deprecation (RFC 9745), Sunset
// (RFC 8594) and the link to the successor (RFC 5829).
func (d Deprecation) tell(header http.Header) {
	if d.Since == "" {
		return
	}
	since, sunset, err := d.dates()
	if err != nil { // a Spec with such a date does not start
		return
	}
	header.Set("Deprecation", "@"+strconv.FormatInt(since.Unix(), 10))
	if !sunset.IsZero() {
		header.Set("Sunset", sunset.UTC().Format(http.TimeFormat))
	}
	if d.Successor != "" {
		header.Set("Link", "</function/"+d.Successor+`>; rel="successor-version"`)
	}
}

package channel_test

import (
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/test/check"
)

// The versions are lists by platform; addresses begin with https://. A bank that recommends
// a version below its own minimum does not start.
func TestVersionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, good := range []channel.VersionsConfig{
		{},
		{Minimum: "ios=3.2.0", Latest: "ios=3.2.0"},
		{Minimum: "ios=3.2.0"},
		{Latest: "h5=1.0.0"},
		{Download: "ios=https://a.example/x?y=1, android=https://b.example"},
	} {
		_, err := channel.ParseVersions(good)
		check.Must(t, err)
	}
	for key, list := range map[string][]channel.VersionsConfig{
		"APP_MINIMUM": {{Minimum: "ios=3"}},
		"APP_LATEST":  {{Latest: "ios"}, {Minimum: "ios=3.2.0", Latest: "ios=3.1.99"}},
		"APP_DOWNLOAD": {
			{Download: "ios=http://a.example"},
			{Download: "ios=a.example"},
			{Download: "ios"},
			{Download: "ios=https://"},
			{Download: "ios=https://:443"},
			{Download: "ios=https://u:p@a.example"},
			{Download: "windows=https://a.example"},
			{Download: "ios=https://a.example,ios=https://b.example"},
			{Download: ","},
			{Download: "ios=https://a.example,"},
			{Download: "ios=https://a.example/\nx"},
		},
	} {
		for _, bad := range list {
			if _, err := channel.ParseVersions(bad); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%+v: %v, want an error of %s", bad, err, key)
			}
		}
	}
}

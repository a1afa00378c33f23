package host_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/workers"
)

type secrets struct {
	Clear string `envconfig:"TEST_SECRET_CLEAR"`
	Part  struct {
		URL string `envconfig:"TEST_SECRET_URL" required:"true" form:"http" secret:"true"`
	}
}

const bearer = "https://user:hunter2@store.example/x"

// A secret key takes the secret, or a file that holds it. A wrong reference is refused by
// the name of its key, and no secret is shown.
func TestSecretsComeFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		check.Must(t, os.WriteFile(path, []byte(text), 0o600))
		return "file://" + path
	}
	t.Setenv("TEST_SECRET_CLEAR", "file:///etc/hostname")
	for _, tt := range []struct{ name, value, want string }{ // want "": it is refused
		{"the secret itself", bearer, bearer},
		{"a file", write("plain", bearer), bearer},
		{"a file with a last line break", write("line", bearer+"\n"), bearer},
		{"a file with the line break of Windows", write("crlf", bearer+"\r\n"), bearer},
		{"an empty file", write("empty", "\n"), ""},
		{"a file whose secret has the wrong form", write("form", "hunter2"), ""},
		{"a file that is too large", write("large", strings.Repeat("hunter2", 10_000)), ""},
		{"no file", "file://" + filepath.Join(dir, "none"), ""},
		{"a folder", "file://" + dir, ""},
		{"a file of another machine", "file://host" + filepath.Join(dir, "plain"), ""},
		{"a path that is not absolute", "file:plain", ""},
		{"a path with a query", "file://" + filepath.Join(dir, "plain") + "?x", ""},
	} {
		t.Setenv("TEST_SECRET_URL", tt.value)
		var got secrets
		err := host.Environment(&got)
		switch {
		case tt.want != "" && (err != nil || got.Part.URL != tt.want):
			t.Errorf("%s: %q, %v", tt.name, got.Part.URL, err)
		case tt.want == "" && (!errors.Is(err, host.ErrSetting) || !strings.Contains(err.Error(), "TEST_SECRET_URL")):
			t.Errorf("%s: %v", tt.name, err)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the error shows the secret: %v", tt.name, err)
		}
		if got.Clear != "file:///etc/hostname" {
			t.Errorf("a key that is no secret was read from a file: %q", got.Clear)
		}
	}
}

// Each key that holds a secret or an address with a password takes a file.
func TestEverySecretKeyTakesAFile(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(part reflect.Type) {
		for f := range part.Fields() {
			name := f.Tag.Get("envconfig")
			if name == "" && f.Type.Kind() == reflect.Struct {
				walk(f.Type)
				continue
			}
			if strings.HasSuffix(name, "_URL") || strings.HasSuffix(name, "_SECRET") || strings.HasSuffix(name, "_TOKEN") {
				keys[name] = f.Tag.Get("secret") == "true"
			}
		}
	}
	walk(reflect.TypeFor[host.Config]())
	for _, f := range append(functions.All(), workers.All()...) {
		walk(f.Config)
	}
	for name, reads := range keys {
		if !reads {
			t.Errorf("%s takes no file: tag it `secret:\"true\"`", name)
		}
	}
	for _, name := range []string{"DATABASE_URL", "REDIS_URL", "SMS_URL", "SMS_SECRET", "SINK_URL"} {
		if _, found := keys[name]; !found {
			t.Errorf("%s was not found", name)
		}
	}
}

package host_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
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

// A secret key takes a secret of Secrets Manager. Errors name the key and the secret, and
// show no secret.
func TestSecretsComeFromSecretsManager(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			SecretID string `json:"SecretId"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.SecretID != "bank/url" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"__type":"ResourceNotFoundException"}`))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"SecretString": `{"url":"` + bearer + `"}`})
	}))
	t.Cleanup(server.Close)
	key := filepath.Join(t.TempDir(), "key")
	check.Must(t, os.WriteFile(key, []byte("hunter2\n"), 0o600))
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "file://" + key,
		"AWS_SESSION_TOKEN": "", "AWS_ROLE_ARN": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"FN_ALLOW_PLAINTEXT": "true", "TEST_SECRET_CLEAR": "secret://bank/url",
	} {
		t.Setenv(name, value)
	}
	for _, tt := range []struct{ value, want, says string }{
		{"secret://bank/url#url", bearer, ""},
		{"secret://bank/url", "", "TEST_SECRET_URL is not an http or https address"},
		{"secret://bank/other", "", "TEST_SECRET_URL: secret bank/other: cloud: ResourceNotFoundException"},
		{"secret://bank/url#other", "", "TEST_SECRET_URL: secret bank/url, field other"},
		{"secret:bank", "", "TEST_SECRET_URL: a reference to a secret is"},
	} {
		t.Setenv("TEST_SECRET_URL", tt.value)
		var got secrets
		err := host.Environment(&got)
		switch {
		case tt.says == "" && (err != nil || got.Part.URL != tt.want):
			t.Errorf("%s: %q, %v", tt.value, got.Part.URL, err)
		case tt.says != "" && (!errors.Is(err, host.ErrSetting) || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %q", tt.value, err, tt.says)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the error shows the secret: %v", tt.value, err)
		}
		if got.Clear != "secret://bank/url" {
			t.Errorf("a key that is no secret was read: %q", got.Clear)
		}
	}
	t.Setenv("TEST_SECRET_URL", "secret://bank/url#url")
	for name, value := range map[string]string{
		"FN_ALLOW_PLAINTEXT": "false", "AWS_REGION": "", "AWS_SECRET_ACCESS_KEY": "secret://bank/url",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if name == "AWS_REGION" {
				t.Setenv("AWS_ENDPOINT_URL", "")
			}
			var got secrets
			if err := host.Environment(&got); !errors.Is(err, host.ErrSetting) || !strings.Contains(err.Error(), "TEST_SECRET_URL") {
				t.Errorf("%v", err)
			}
		})
	}
}

// Each key that holds a secret or an address with a password takes a file, and
// docs/configuration.md lists each key that does.
func TestEverySecretKeyTakesAFile(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	check.Must(t, err)
	_, section, _ := strings.Cut(string(page), "## Secrets in files")
	section, _, _ = strings.Cut(section, "\n## ")
	keys := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(part reflect.Type) {
		for f := range part.Fields() {
			name := f.Tag.Get("envconfig")
			if name == "" && f.Type.Kind() == reflect.Struct {
				walk(f.Type)
				continue
			}
			if f.Tag.Get("secret") == "true" && !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/configuration.md does not list %s among the keys that take a file", name)
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

package host_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/workers"
)

// receiver is the key pair of an environment.
type receiver struct {
	file string
	pin  []byte
}

func newReceiver(t *testing.T) receiver {
	t.Helper()
	r := receiver{file: filepath.Join(t.TempDir(), "receiver.key")}
	var err error
	r.pin, err = keys.NewReceiver(r.file)
	check.Must(t, err)
	return r
}

func (r receiver) seal(t *testing.T, c keys.ProcessCredential) string {
	t.Helper()
	text, err := keys.SealCredential(r.file+".pub", r.pin, c)
	check.Must(t, err)
	return text
}

// parts are the configurations that a process reads.
func parts(f fn.Function) []any {
	var list []any
	_, _ = host.LoadConfig(func(part any) error { // it names the parts, whatever they hold
		list = append(list, reflect.New(reflect.TypeOf(part).Elem()).Interface())
		return nil
	}, f.Needs())
	return append(list, reflect.New(f.Config).Interface())
}

// secretsOf calls visit with each secret setting of a configuration, and its value.
func secretsOf(config reflect.Value, visit func(tag reflect.StructTag, value string)) {
	for i := range config.NumField() {
		field := config.Type().Field(i)
		switch {
		case config.Field(i).Kind() == reflect.Struct && field.IsExported():
			secretsOf(config.Field(i), visit)
		case field.Tag.Get("secret") == "true":
			visit(field.Tag, config.Field(i).String())
		}
	}
}

// credential is a good value of a secret setting, which holds the password.
func credential(tag reflect.StructTag, password string) string {
	switch name := tag.Get("envconfig"); {
	case name == "DATABASE_URL":
		return "postgres://bank:" + password + "@store.example/bank?sslmode=verify-full"
	case name == "REDIS_URL":
		return "rediss://bank:" + password + "@store.example"
	case tag.Get("form") == "http":
		return "https://bank:" + password + "@partner.example"
	default:
		return password
	}
}

// configured is the whole configuration of one process, with sealed credentials.
type configured struct {
	f         fn.Function
	env       map[string]string
	clear     map[string]string // the credentials, by key
	passwords []string
}

func configure(t *testing.T, f fn.Function, to receiver) configured {
	t.Helper()
	c := configured{f: f, env: map[string]string{}, clear: map[string]string{}}
	for _, part := range parts(f) {
		secretsOf(reflect.ValueOf(part).Elem(), func(tag reflect.StructTag, _ string) {
			name, password := tag.Get("envconfig"), uuid.NewString()
			c.clear[name] = credential(tag, password)
			c.env[name] = to.seal(t, keys.ProcessCredential{Process: f.Spec.Name, Setting: name, Value: c.clear[name]})
			c.passwords = append(c.passwords, password)
		})
	}
	return c
}

// read reads all parts of the configuration, and returns the credentials by key.
func (c configured) read(t *testing.T) (map[string]string, error) {
	t.Helper()
	got := map[string]string{}
	for _, part := range parts(c.f) {
		if err := host.EnvironmentOf(c.f.Spec.Name)(part); err != nil {
			return nil, err
		}
		secretsOf(reflect.ValueOf(part).Elem(), func(tag reflect.StructTag, value string) { got[tag.Get("envconfig")] = value })
	}
	return got, nil
}

// bankEnvironment sets the settings that are no credentials, and forgets all that are.
func bankEnvironment(t *testing.T, to receiver) {
	t.Helper()
	for key, value := range map[string]string{
		"CREDENTIALS_SEALED_ONLY": "true", "KEYS_RECEIVER": to.file, "KEYS_FILE": "/keys.json", "FN_TRUSTED_PROXIES": "none",
	} {
		t.Setenv(key, value)
	}
}

func processes() []fn.Function { return append(functions.All(), workers.All()...) }

// Every credential of every function and worker can stand encrypted in its configuration: its
// process reads it, and a search of the configuration does not find it. With
// CREDENTIALS_SEALED_ONLY, a process refuses each of them in clear, in the environment or in
// a file.
func TestCredentialsAreConfiguredEncrypted(t *testing.T) {
	req.Covers(t, "KEY-013.1")
	to := newReceiver(t)
	bankEnvironment(t, to)
	file := filepath.Join(t.TempDir(), "credential")
	var all strings.Builder
	var passwords []string
	for _, f := range req.AtLeast(t, 30, processes()) {
		t.Run(f.Spec.Name, func(t *testing.T) {
			c := configure(t, f, to)
			for key, value := range c.env {
				t.Setenv(key, value)
				fmt.Fprintf(&all, "%s=%s\n", key, value)
			}
			passwords = append(passwords, c.passwords...)
			got, err := c.read(t)
			check.Must(t, err)
			for key, want := range c.clear {
				if got[key] != want {
					t.Errorf("%s is %q, want %q", key, got[key], want)
				}
				for how, value := range map[string]string{"in clear": want, "in a file in clear": "file://" + file} {
					check.Must(t, os.WriteFile(file, []byte(want), 0o600))
					t.Setenv(key, value)
					_, err := c.read(t)
					if !errors.Is(err, host.ErrSetting) || !strings.Contains(err.Error(), key) || shows(err, c.passwords) {
						t.Errorf("%s %s: %v", key, how, err)
					}
				}
				check.Must(t, os.WriteFile(file, []byte(c.env[key]+"\n"), 0o600))
				t.Setenv(key, "file://"+file)
				if again, err := c.read(t); err != nil || again[key] != want {
					t.Errorf("%s sealed in a file: %q, %v", key, again[key], err)
				}
				t.Setenv(key, c.env[key])
			}
		})
	}
	if len(passwords) < 100 {
		t.Fatalf("only %d credentials were configured", len(passwords))
	}
	for _, password := range passwords {
		for _, form := range keytest.Forms([]byte(password)) {
			if strings.Contains(all.String(), form) {
				t.Errorf("the configuration shows the credential %s", password)
			}
		}
	}
}

func shows(err error, passwords []string) bool {
	for _, password := range passwords {
		if strings.Contains(fmt.Sprint(err), password) {
			return true
		}
	}
	return false
}

// A process reads a credential only if it was sealed for this process and this key, in this
// environment. The refusal shows nothing.
func TestAnothersCredentialIsRefused(t *testing.T) {
	req.Covers(t, "KEY-013.2")
	to, elsewhere := newReceiver(t), newReceiver(t)
	bankEnvironment(t, to)
	const clear = "hunter2-of-the-gateway"
	mine := keys.ProcessCredential{Process: "notify-on-otp", Setting: "TEST_SECRET_CREDENTIAL", Value: clear}
	good := to.seal(t, mine)
	var config struct {
		Credential string `envconfig:"TEST_SECRET_CREDENTIAL" required:"true" secret:"true"`
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(good, keys.SealedScheme))
	check.Must(t, err)
	with := func(change func(*keys.ProcessCredential)) string {
		other := mine
		change(&other)
		return to.seal(t, other)
	}
	for _, tt := range []struct {
		name, process, text string
		want                error
	}{
		{"its own", mine.Process, good, nil},
		{"another function asks", "notify-on-transfer", good, keys.ErrAssigned},
		{"an operator's command asks", host.Operator, good, keys.ErrAssigned},
		{"nobody asks", "", good, keys.ErrAssigned},
		{"of another function", mine.Process, with(func(c *keys.ProcessCredential) { c.Process = "transfer-get" }), keys.ErrAssigned},
		{"of another setting", mine.Process, with(func(c *keys.ProcessCredential) { c.Setting = "DATABASE_URL" }), keys.ErrAssigned},
		{"of another environment", mine.Process, elsewhere.seal(t, mine), keys.ErrNoCredential},
		{"changed", mine.Process, keys.SealedScheme + base64.StdEncoding.EncodeToString(check.Flip(raw, -1)), keys.ErrNoCredential},
		{"cut", mine.Process, good[:len(good)/2], keys.ErrNoCredential},
		{"empty", mine.Process, keys.SealedScheme, keys.ErrNoCredential},
	} {
		t.Setenv("TEST_SECRET_CREDENTIAL", tt.text)
		config.Credential = ""
		err := host.EnvironmentOf(tt.process)(&config)
		switch {
		case tt.want == nil && (err != nil || config.Credential != clear):
			t.Errorf("%s: %q, %v", tt.name, config.Credential, err)
		case tt.want != nil && (!errors.Is(err, tt.want) || !strings.Contains(err.Error(), "TEST_SECRET_CREDENTIAL")):
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		case tt.want != nil && (strings.Contains(err.Error(), clear) || config.Credential == clear):
			t.Errorf("%s: it shows the credential: %v", tt.name, err)
		}
	}
	t.Setenv("TEST_SECRET_CREDENTIAL", good)
	t.Setenv("KEYS_RECEIVER", "")
	if err := host.EnvironmentOf(mine.Process)(&config); !errors.Is(err, keys.ErrNoOwnKey) {
		t.Errorf("without the private key: %v", err)
	}
}

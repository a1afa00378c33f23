package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
)

// sealedBy runs the command on a credential.
func sealedBy(credential string, args ...string) (text string, err error) {
	var out bytes.Buffer
	c := newCommand()
	c.SetArgs(append([]string{"keys", "credential"}, args...))
	c.SetIn(strings.NewReader(credential))
	c.SetOut(&out)
	c.SetErr(&out)
	err = c.Execute()
	return out.String(), err
}

// The command prints a credential encrypted for one process and one setting, and nothing of it
// in clear.
func TestACredentialIsEncryptedForItsProcess(t *testing.T) {
	t.Parallel()
	own, pin := newReceiver(t)
	_, other := newReceiver(t)
	const clear = "rediss://bank:hunter2@store.example"
	args := func(process, pin string) []string {
		return []string{"--receiver", own + ".pub", "--pin", pin, "--process", process, "--setting", "REDIS_URL"}
	}
	for _, process := range []string{"transfer-get", "bank-upkeep", "operator"} {
		text, err := sealedBy(clear+"\n", args(process, pin)...)
		check.Must(t, err)
		if strings.Contains(text, "hunter2") || !strings.HasPrefix(text, keys.SealedScheme) {
			t.Errorf("it prints %s", text)
		}
		got, err := keys.OpenCredential(keys.Config{Receiver: own}, strings.TrimSpace(text), process, "REDIS_URL")
		if err != nil || got != clear {
			t.Errorf("%s: %q, %v", process, got, err)
		}
	}
	for name, tt := range map[string]struct {
		credential string
		args       []string
		want       error
	}{
		"no such process":        {clear, args("transfer-give", pin), errNoProcess},
		"the pin of another key": {clear, args("transfer-get", other), keys.ErrUnverified},
		"no pin":                 {clear, args("transfer-get", "receiver"), keys.ErrUnverified},
		"nothing":                {"\n", args("transfer-get", pin), errNoInput},
	} {
		if text, err := sealedBy(tt.credential, tt.args...); !errors.Is(err, tt.want) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %q, %v; want %v", name, text, err, tt.want)
		}
	}
}

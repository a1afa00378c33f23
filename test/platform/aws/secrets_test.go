package aws

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// The bank's small client reads secrets of Secrets Manager.
func TestSecretsOfSecretsManager(t *testing.T) {
	t.Parallel()
	c := provisioned(t, map[string]string{"tidebank-redis-url": "rediss://h", "tidebank-sms-url": `{"url":"https://sms"}`}, nil)
	client := cloud.New(c.config)
	for reference, want := range map[string]string{"secret://tidebank-redis-url": "rediss://h", "secret://tidebank-sms-url#url": "https://sms"} {
		if got, err := client.Secret(t.Context(), reference); got != want || err != nil {
			t.Errorf("%s: %q, %v", reference, got, err)
		}
	}
	var refused *cloud.Error
	if _, err := client.Secret(t.Context(), "secret://none"); !errors.As(err, &refused) || refused.Code != "ResourceNotFoundException" {
		t.Errorf("%v", err)
	}
}

// A key file that KMS has sealed opens for its process, with the bank's keys. With the
// context of another process or a changed text, KMS refuses it.
func TestKeyFilesThatKMSSeals(t *testing.T) {
	t.Parallel()
	c := provisioned(t, nil, nil)
	client := cloud.New(c.config)
	from, to := filepath.Join(t.TempDir(), "keys.json"), filepath.Join(t.TempDir(), "sealed.json")
	check.Must(t, keys.Create(from))
	check.Must(t, keys.Seal(t.Context(), client, keys.Sealing{
		From: from, To: to, Key: c.made.Key, Process: "audit-on-event", Purposes: []keys.Purpose{keys.Audit, keys.Event},
	}))
	bank, err := keys.Open(t.Context(), keys.Config{File: from}, keys.All()...)
	check.Must(t, err)
	ring, err := keys.Open(t.Context(), keys.Config{File: to, AWS: c.config}, keys.Audit, keys.Event)
	check.Must(t, err)
	sum, id := bank.MAC(keys.Audit, []byte("record"))
	check.Must(t, ring.VerifyMAC(keys.Audit, id, sum, []byte("record")))

	context := map[string]string{"bank": "tidebank", "process": "a"}
	clear, wrapped, err := client.NewDataKey(t.Context(), c.made.Key, context, 16)
	check.Must(t, err)
	again, err := client.OpenDataKey(t.Context(), c.made.Key, context, wrapped)
	check.Must(t, err)
	if !bytes.Equal(clear, again) || len(clear) != 16 {
		t.Errorf("%d bytes", len(clear))
	}
	for name, open := range map[string]func() ([]byte, error){
		"another process": func() ([]byte, error) {
			return client.OpenDataKey(t.Context(), c.made.Key, map[string]string{"bank": "tidebank", "process": "b"}, wrapped)
		},
		"no context": func() ([]byte, error) { return client.OpenDataKey(t.Context(), c.made.Key, nil, wrapped) },
		"one bit": func() ([]byte, error) {
			return client.OpenDataKey(t.Context(), c.made.Key, context, check.Flip(wrapped, len(wrapped)-1))
		},
		"another key": func() ([]byte, error) {
			return client.OpenDataKey(t.Context(), cloud.KeyARN(strings.Replace(string(c.made.Key), "key/", "key/0", 1)), context, wrapped)
		},
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s: it opened: %d bytes", name, len(got))
		}
	}
}

// KMS keeps the same contract as the local provider (shared/keys).
func TestKMSKeepsTheContractOfKeyProviders(t *testing.T) {
	t.Parallel()
	c := provisioned(t, nil, nil)
	keytest.Contract(t, keytest.KMS(t, cloud.New(c.config), c.config, c.made.Key))
}

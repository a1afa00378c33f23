package keytest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/test/check"
)

// KMS is the provider of a key file that a KMS has sealed. A change of the bank's key file
// is sealed again, and the new file takes the place of the old one, as on AWS.
func KMS(t *testing.T, client *cloud.Client, config cloud.Config, key cloud.KeyARN) Provider {
	t.Helper()
	folder := t.TempDir()
	bank, sealed := filepath.Join(folder, "bank.json"), filepath.Join(folder, "sealed.json")
	check.Must(t, keys.Create(bank))
	seal := func(to string) {
		t.Helper()
		order := keys.Sealing{From: bank, To: to, Key: key, Process: "every-purpose", Purposes: keys.All()}
		check.Must(t, keys.Seal(t.Context(), client, order))
	}
	seal(sealed)
	return Provider{
		Config: keys.Config{File: sealed, AWS: config},
		Change: func(t *testing.T, change func(string) error) {
			t.Helper()
			check.Must(t, change(bank))
			fresh := filepath.Join(t.TempDir(), "fresh.json")
			seal(fresh)
			check.Must(t, os.Rename(fresh, sealed))
		},
	}
}

package aws

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/tidebank/tidebank/infra/aws"
	"github.com/tidebank/tidebank/localstack/emulator"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/test/check"
)

const root = "../../.."

// installed is the emulator's program.
var installed = sync.OnceValues(func() (string, error) {
	return emulator.Install(context.Background(), filepath.Join(root, "build", "moto"), os.Stderr)
})

// cloudOf is an emulated AWS with what the bank needs.
type cloudOf struct {
	config cloud.Config
	sdk    sdk.Config
	list   aws.Inventory
	made   emulator.Made
}

// provisioned starts an emulator of its own for a test, and makes what the list names, after
// a change of the test's.
func provisioned(t *testing.T, secrets map[string]string, change func(*aws.Inventory)) cloudOf {
	t.Helper()
	program, err := installed()
	check.Must(t, err)
	log, err := os.Create(filepath.Join(t.TempDir(), "moto.log"))
	check.Must(t, err)
	t.Cleanup(func() { _ = log.Close() })
	running, err := emulator.Start(t.Context(), program, log)
	check.Must(t, err)
	t.Cleanup(running.Stop)
	list, err := aws.Read()
	check.Must(t, err)
	if change != nil {
		change(&list)
	}
	config, err := running.Config.SDK()
	check.Must(t, err)
	made, err := emulator.Provision(t.Context(), config, list, secrets)
	check.Must(t, err)
	return cloudOf{config: running.Config, sdk: config, list: list, made: made}
}

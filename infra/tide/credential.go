package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/workers"
)

// errNoProcess refuses a name that no function and no worker has.
var errNoProcess = errors.New("there is no function or worker of this name")

// errNoInput refuses an empty credential.
var errNoInput = errors.New("standard input holds no credential")

// maxCredential bounds a credential, in bytes.
const maxCredential = 64 << 10

// credentialCommand encrypts a credential for the configuration of one process.
func credentialCommand() *cobra.Command {
	var receiver, pin string
	var c keys.ProcessCredential
	command := &cobra.Command{
		Use: "credential --receiver FILE --pin PIN --process NAME --setting KEY", Args: cobra.NoArgs,
		Short: "Encrypt a credential for the configuration of one process",
		Long: `Read a credential from standard input, such as the address of a store with its password, and print its encrypted form: a
text that begins with "sealed:". Put this text in the place of the credential: into the environment key KEY of the process
NAME, or into the file that the key names.

The text is encrypted to the public key of the environment (tide keys receiver), together with NAME and KEY: it is of no
use to another process, or under another key. For the commands of tide and for the migrations, NAME is "operator". The
credential is read from standard input, so that no list of processes shows it; its last line break does not count.`,
		Example: "  go run ./infra/tide keys credential --receiver receiver.key.pub --pin 3f0a… --process transfer-get --setting REDIS_URL",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Process != host.Operator && !isProcess(c.Process) {
				return fmt.Errorf("%w: %s", errNoProcess, c.Process)
			}
			digest, err := hex.DecodeString(pin)
			if err != nil {
				return keys.ErrUnverified
			}
			raw, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxCredential))
			if err != nil {
				return fmt.Errorf("standard input: %w", err)
			}
			if c.Value = strings.TrimRight(string(raw), "\r\n"); c.Value == "" {
				return errNoInput
			}
			text, err := keys.SealCredential(receiver, digest, c)
			if err != nil {
				return err
			}
			return printf(cmd, "%s\n", text)
		},
	}
	requireFlag(command, &receiver, "receiver", "file of the receiver's public key")
	requireFlag(command, &pin, "pin", "pin of the public key, as the receiver has told it")
	requireFlag(command, &c.Process, "process", "name of the function or worker that uses the credential")
	requireFlag(command, &c.Setting, "setting", "environment key that holds the credential")
	return command
}

// isProcess reports whether a function or a worker has the name.
func isProcess(name string) bool {
	bank := process.Describe(functions.All(), workers.All(), events.Declared())
	return slices.ContainsFunc(slices.Concat(bank.Functions, bank.Workers), func(p process.Process) bool { return p.Name == name })
}

package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/process"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/workers"
)

// receiverCommand makes the key pair of an environment that receives keys.
func receiverCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "receiver --out PATH", Args: cobra.NoArgs,
		Short: "Make the key pair of an environment that receives key files",
		Long: `Make an SM2 key pair: the private key in PATH, of mode 0600, and the public key in PATH.pub. The command overwrites no file.

Run it in the environment in which the processes run. The private key stays there: KEYS_RECEIVER names its file. Send the
public key to the custodian of the bank's key file, and tell the custodian the pin on another way, such as the telephone.`,
		Example: "  go run ./infra/tide keys receiver --out receiver.key",
		RunE: func(cmd *cobra.Command, _ []string) error {
			pin, err := keys.NewReceiver(out)
			if err != nil {
				return err
			}
			return printf(cmd, "Made %s and %s.pub. The pin of the public key is %x\n", out, out, pin)
		},
	}
	requireFlag(c, &out, "out", "path of the new private key")
	return c
}

// exportCommand makes the key files of the processes, for a platform's secrets.
func exportCommand() *cobra.Command {
	var folder, only, pin string
	var order keys.Exporting
	c := &cobra.Command{
		Use: "export --file PATH --receiver FILE --pin PIN --out FOLDER [--process NAME]", Args: cobra.NoArgs,
		Short: "Make a key file for each process, with only its keys, encrypted to its receiver",
		Long: `Make FOLDER/NAME.json for each function and worker that uses keys, or for one of them.

A new file holds only the keys of the purposes that its process declares, under a root key of its own, which is encrypted
to the receiver's public key (SM2). So only the holder of the private key opens the file (tide keys receiver). The command
compares the public key with the pin that the receiver has told on another way; if they differ, it makes nothing. It never
writes a key in clear. The mode of a file is 0600: put it into the secret of its process (docs/knative.md,
docs/openfaas.md). On AWS, use "tide keys seal" instead. The command overwrites no file. Export again after each change
of the bank's key file, and keep that file where no process runs.`,
		Example: "  go run ./infra/tide keys export --file keys.json --receiver receiver.key.pub --pin 3f0a… --out key-files",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := withKeys(only)
			if len(list) == 0 {
				return fmt.Errorf("%w: %s", errNoKeys, only)
			}
			var err error
			if order.Digest, err = hex.DecodeString(pin); err != nil {
				return keys.ErrUnverified
			}
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return fmt.Errorf("folder: %w", err)
			}
			for _, one := range list {
				order.Process, order.Purposes = one.Name, purposesOf(one.Name)
				order.To = filepath.Join(folder, one.Name+".json")
				if err := keys.Export(cmd.Context(), order); err != nil {
					return err
				}
				if err := printf(cmd, "Made %s with the keys of %v.\n", order.To, order.Purposes); err != nil {
					return err
				}
			}
			return nil
		},
	}
	requireFlag(c, &order.From, "file", "path of the bank's key file")
	requireFlag(c, &order.Receiver, "receiver", "file of the receiver's public key")
	requireFlag(c, &pin, "pin", "pin of the public key, as the receiver has told it")
	requireFlag(c, &folder, "out", "folder of the new key files")
	c.Flags().StringVar(&only, "process", "", "name of the function or worker; without it, all of them")
	return c
}

// withKeys lists the processes that use keys; only of this name, if there is one.
func withKeys(name string) (list []process.Process) {
	bank := process.Describe(functions.All(), workers.All(), events.Declared())
	for _, one := range append(bank.Functions, bank.Workers...) {
		if len(one.Keys) > 0 && (name == "" || one.Name == name) {
			list = append(list, one)
		}
	}
	return list
}

// purposesOf lists the purposes that a process opens.
func purposesOf(name string) (purposes []keys.Purpose) {
	for _, one := range withKeys(name) {
		for _, p := range one.Keys {
			purposes = append(purposes, keys.Purpose(p))
		}
	}
	return purposes
}

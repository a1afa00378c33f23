package main

import (
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

// exportCommand makes the key files of the processes, for a platform's secrets.
func exportCommand() *cobra.Command {
	var from, folder, only string
	c := &cobra.Command{
		Use: "export --file PATH --out FOLDER [--process NAME]", Args: cobra.NoArgs,
		Short: "Make a key file for each process, with only its keys",
		Long: `Make FOLDER/NAME.json for each function and worker that uses keys, or for one of them.

A new file holds only the keys of the purposes that its process declares, under a root key of its own. Its mode is 0600,
and its root is in clear: put it into the secret of its process (docs/knative.md, docs/openfaas.md), and delete it. On
AWS, use "tide keys seal" instead. The command overwrites no file. Export again after each change of the bank's key file,
and keep that file where no process runs.`,
		Example: "  go run ./infra/tide keys export --file keys.json --out key-files",
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := withKeys(only)
			if len(list) == 0 {
				return fmt.Errorf("%w: %s", errNoKeys, only)
			}
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return fmt.Errorf("folder: %w", err)
			}
			for _, one := range list {
				to := filepath.Join(folder, one.Name+".json")
				purposes := purposesOf(one.Name)
				if err := keys.Export(cmd.Context(), from, to, one.Name, purposes); err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "Made %s with the keys of %v.\n", to, purposes); err != nil {
					return fmt.Errorf("tell what was made: %w", err)
				}
			}
			return nil
		},
	}
	requireFlag(c, &from, "file", "path of the bank's key file")
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

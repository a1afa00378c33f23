// Command tide holds the commands that an operator of the bank runs by hand. Each
// subcommand has its own file.
//
//	go run ./infra/tide keys create --file PATH
//	go run ./infra/tide keys list --file PATH
//	go run ./infra/tide keys rotate --file PATH --purpose PURPOSE [--after DURATION]
//	go run ./infra/tide keys reencrypt
//	go run ./infra/tide keys verify
//	go run ./infra/tide keys retire --file PATH --purpose PURPOSE --id ID
//	go run ./infra/tide keys split --file PATH --wrapped PATH [--shares N] [--threshold T] [--out FOLDER]
//	go run ./infra/tide keys join --file PATH --out PATH [--component FILE]...
//	go run ./infra/tide keys seal --file PATH --kms-key ARN --process NAME --out PATH
//	go run ./infra/tide keys receiver --out PATH
//	go run ./infra/tide keys export --file PATH --receiver FILE --pin PIN --out FOLDER [--process NAME]
//	go run ./infra/tide keys credential --receiver FILE --pin PIN --process NAME --setting KEY
//	go run ./infra/tide keys channel {list | add | promote} --file PATH
//	go run ./infra/tide keys channel retire --file PATH --pin PIN
//	go run ./infra/tide login unlock --phone NUMBER --reason TEXT --operator NAME
//	go run ./infra/tide risk lift --phone NUMBER --reason TEXT --operator NAME
//	go run ./infra/tide customer erase --phone NUMBER --reason TEXT --operator NAME
//	go run ./infra/tide customer reset-password --phone NUMBER --identity-check TEXT --reason TEXT --operator NAME
//	go run ./infra/tide ledger verify
//	go run ./infra/tide evidence export --id ID --out FILE
//	go run ./infra/tide evidence verify FILE --roots FILE
//	go run ./infra/tide audit verify
//	go run ./infra/tide audit archive [--bucket NAME]
//	go run ./infra/tide roles apply
//	go run ./infra/tide probe enrol --url URL --pin FILE --device ID --file PATH
//	go run ./infra/tide events list [--dead]
//	go run ./infra/tide events replay [--dead] {--id ID | --all} --reason TEXT --operator NAME
//	go run ./infra/tide retire run --trust DIR --approval FILE --backup DIR --archived-keys FILE
//	go run ./infra/tide retire check
//	go run ./infra/tide deployment check FILE
//
// If a command fails, it prints a sentence to standard error and exits with 1. A check that
// finds a fault exits with 2. Long work prints its progress to standard error.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(exitCode(newCommand().Execute())) // cobra has printed an error
}

func newCommand() *cobra.Command {
	root := group("tide", "Operate the bank")
	root.SilenceUsage = true
	root.AddCommand(
		keysCommand(), loginCommand(), riskCommand(), eventsCommand(), ledgerCommand(), evidenceCommand(), auditCommand(), rolesCommand(),
		retirementCommand(), deploymentCommand(),
		probeCommand(), customerCommand(),
	)
	return root
}

// group returns a command that only contains subcommands. It shows its help, and
// refuses unknown subcommands.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}

// requireFlag adds a text flag that the command can't do without.
func requireFlag(c *cobra.Command, into *string, name, usage string) {
	c.Flags().StringVar(into, name, "", usage)
	_ = c.MarkFlagRequired(name) // fails only for an unknown flag
}

// Command tide is what an operator of the bank runs by hand. Each subcommand has a
// file of its own.
//
//	go run ./infra/tide keys create --file PATH
//	go run ./infra/tide login unlock --phone NUMBER --reason TEXT --operator NAME
//
// It ends with 1 and a sentence on standard error when a command fails.
package main

import (
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := newCommand().Execute(); err != nil {
		os.Exit(1) // cobra has printed the error
	}
}

func newCommand() *cobra.Command {
	root := group("tide", "Operate the bank")
	root.SilenceUsage = true
	root.AddCommand(keysCommand(), loginCommand())
	return root
}

// group returns a command that only holds others: it shows its help, and refuses
// arguments, which are misspelt commands.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
}

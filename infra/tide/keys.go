package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/shared/keys"
)

// keysCommand holds the commands of the local key provider.
func keysCommand() *cobra.Command {
	var file string
	create := &cobra.Command{
		Use: "create --file PATH", Short: "Make a key file with fresh keys for every purpose", Args: cobra.NoArgs,
		Long: `Make a key file of mode 0600 with fresh keys for every purpose.

The command never overwrites a file. Processes read the file that KEYS_FILE names.
Back the file up: without it nobody can read the data that its keys have sealed.`,
		Example: "  go run ./infra/tide keys create --file /var/lib/tidebank/keys.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := keys.Create(file); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Made %s. Set KEYS_FILE to this path, and back the file up.\n", file)
			if err != nil {
				return fmt.Errorf("tell what was made: %w", err)
			}
			return nil
		},
	}
	create.Flags().StringVar(&file, "file", "", "path of the new key file")
	_ = create.MarkFlagRequired("file") // fails only for an unknown flag
	parent := group("keys", "Make the bank's keys")
	parent.AddCommand(create)
	return parent
}

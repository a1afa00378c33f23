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
	parent.AddCommand(create, addCommand())
	return parent
}

// addCommand completes a key file of an earlier release.
func addCommand() *cobra.Command {
	var file string
	add := &cobra.Command{
		Use: "add --file PATH", Short: "Add the keys that a key file of an earlier release lacks", Args: cobra.NoArgs,
		Long: `Add fresh keys to a key file of an earlier release, for purposes that are new since then.

The command changes no other key. It leaves a file alone that lacks nothing, or that is damaged. Back the file up
before and afterwards, give all processes the same new file, and start them again.`,
		Example: "  go run ./infra/tide keys add --file /var/lib/tidebank/keys.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			added, err := keys.AddMissing(cmd.Context(), file)
			if err != nil {
				return err
			}
			text := fmt.Sprintf("%s lacks no key. It is as before.\n", file)
			if len(added) > 0 {
				text = fmt.Sprintf("Added keys to %s for %v. Back the file up, and start all processes with it again.\n", file, added)
			}
			if _, err := fmt.Fprint(cmd.OutOrStdout(), text); err != nil {
				return fmt.Errorf("tell what was added: %w", err)
			}
			return nil
		},
	}
	add.Flags().StringVar(&file, "file", "", "path of the key file")
	_ = add.MarkFlagRequired("file") // fails only for an unknown flag
	return add
}

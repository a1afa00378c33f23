package main

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/shared/keys"
)

// keysCommand holds the commands of the local key provider.
func keysCommand() *cobra.Command {
	var file string
	create := &cobra.Command{
		Use: "create --file PATH", Aliases: []string{"init"}, Args: cobra.NoArgs,
		Short: "Make a key file with fresh keys for every purpose",
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
	requireFlag(create, &file, "file", "path of the new key file")
	parent := group("keys", "Make, rotate, verify and destroy the bank's keys")
	parent.AddCommand(create, addCommand(), exportCommand(), sealCommand(), channelCommand(), listKeysCommand(), rotateCommand(),
		retireKeyCommand(), reencryptCommand(), keysVerifyCommand(), splitCommand(), joinCommand(), receiverCommand(),
		credentialCommand())
	return parent
}

// channelCommand holds the steps that renew the channel key, which apps pin.
func channelCommand() *cobra.Command {
	parent := group("channel", "Renew the channel key, whose pin the apps contain")
	parent.AddCommand(
		channelStep("list", "List the channel keys with their pins", func(string) error { return nil }),
		channelStep("add", "Make the next channel key", keys.AddChannelKey),
		channelStep("promote", "Make the next channel key the current one", keys.PromoteChannelKey),
		retireCommand(),
	)
	return parent
}

// channelStep is a command that does one step and then lists the keys.
func channelStep(use, short string, step func(file string) error) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: use + " --file PATH", Short: short, Args: cobra.NoArgs,
		Long: short + `.

A process reads a changed key file within a minute. docs/operator.md tells the
steps.`,
		Example: "  go run ./infra/tide keys channel " + use + " --file /var/lib/tidebank/keys.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := step(file); err != nil {
				return err
			}
			return listChannelKeys(cmd.OutOrStdout(), file)
		},
	}
	requireFlag(c, &file, "file", "path of the key file")
	return c
}

func retireCommand() *cobra.Command {
	var text string
	c := channelStep("retire", "Remove an old channel key", func(file string) error {
		pin, err := hex.DecodeString(text)
		if err != nil {
			return keys.ErrNotOld
		}
		return keys.RetireChannelKey(file, pin)
	})
	c.Use = "retire --file PATH --pin PIN"
	c.Example += " --pin PIN"
	requireFlag(c, &text, "pin", "pin of the old key, as the list shows it")
	return c
}

func listChannelKeys(out io.Writer, file string) error {
	all, err := keys.FileChannelKeys(file)
	if err != nil {
		return err
	}
	for _, k := range all {
		if _, err := fmt.Fprintf(out, "%-8s %x\n", k.State, k.KeyDigest); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// addCommand completes a key file of an earlier release.
func addCommand() *cobra.Command {
	var file string
	add := &cobra.Command{
		Use: "add --file PATH", Short: "Add the keys that a key file of an earlier release lacks", Args: cobra.NoArgs,
		Long: `Add fresh keys to a key file of an earlier release, for purposes that are new since then.

The command changes no other key. It leaves a file alone that lacks nothing, or that is damaged. Back the file up
before and afterwards, give all processes the same new file, and start those again that did not start without the keys.`,
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
	requireFlag(add, &file, "file", "path of the key file")
	return add
}

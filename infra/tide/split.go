package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/keys/shamir"
)

// clearScreen empties a terminal and its scrollback.
const clearScreen = "\x1b[2J\x1b[3J\x1b[H"

var errInput = errors.New("the input ended before the ceremony did")

func splitCommand() *cobra.Command {
	var file, to, folder string
	var shares, threshold int
	c := &cobra.Command{
		Use:   "split --file PATH --wrapped PATH [--shares N] [--threshold T] [--out FOLDER]",
		Short: "Split the root key into components for custodians", Args: cobra.NoArgs,
		Long: `Split the root of a key file into components by Shamir's scheme. Any T of the N components give the root, and fewer
tell nothing about it.

The command writes a copy of the key file without its root: every key in it is wrapped, so that it may lie in a backup.
Each custodian gets one component, with a checksum. Without --out, the command shows the components one after the other:
each custodian comes to the screen alone, writes the component down, and presses Enter, which clears the screen. With
--out, it makes FOLDER and writes one file of mode 0600 for each custodian, for a medium of their own. The components go nowhere else.

Hold the ceremony with tide keys join at once, before the root is destroyed anywhere (docs/keys.md).

It exits with 0 if the components were made, and with 1 if not.`,
		Example: "  go run ./infra/tide keys split --file keys.json --wrapped keys-wrapped.json --shares 5 --threshold 3",
		RunE: func(cmd *cobra.Command, _ []string) error {
			components, err := keys.Split(shamir.Scheme{}, file, to, shares, threshold)
			if err != nil {
				return err
			}
			if folder == "" {
				err = showComponents(cmd, components)
			} else {
				err = writeComponents(folder, components)
			}
			if err != nil {
				return errors.Join(err, os.Remove(to)) // without all components it is of no use
			}
			check, err := keys.CheckValue(to)
			if err != nil {
				return err
			}
			return printf(cmd, "Made %s and %d components; any %d make the root. Its check value is %s.\n", to, shares, threshold, check)
		},
	}
	requireFlag(c, &file, "file", "path of the key file")
	requireFlag(c, &to, "wrapped", "path of the new key file without its root")
	c.Flags().StringVar(&folder, "out", "", "folder for one file for each custodian, instead of the screen")
	c.Flags().IntVar(&shares, "shares", 5, "number of components")
	c.Flags().IntVar(&threshold, "threshold", 3, "number of components that make the root")
	return c
}

// showComponents shows one component after the other, each to its custodian alone.
func showComponents(cmd *cobra.Command, components []keys.Component) error {
	lines := bufio.NewScanner(cmd.InOrStdin())
	for i, c := range components {
		if err := printf(cmd, "Custodian %d of %d: be alone at the screen, and press Enter.\n", i+1, len(components)); err != nil {
			return err
		}
		if !lines.Scan() {
			return errInput
		}
		if err := printf(cmd, "\n%s\n\nWrite it down, compare it, and press Enter.\n", c.Text()); err != nil {
			return err
		}
		if !lines.Scan() {
			return errInput
		}
		if err := printf(cmd, clearScreen); err != nil {
			return err
		}
	}
	return nil
}

// writeComponents writes one file for each custodian. It makes the folder, and replaces no
// file.
func writeComponents(folder string, components []keys.Component) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("component: %w", err)
	}
	for i, c := range components {
		path := filepath.Join(folder, fmt.Sprintf("component-%d.txt", i+1))
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("component: %w", err)
		}
		_, err = io.WriteString(f, c.Text()+"\n")
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("component: %w", err)
		}
	}
	return nil
}

func joinCommand() *cobra.Command {
	var file, to string
	var files []string
	c := &cobra.Command{
		Use: "join --file PATH --out PATH [--component FILE]...", Args: cobra.NoArgs,
		Short: "Make the key file again from the components of custodians",
		Long: `Make a key file with its root from a file that tide keys split has written, and as many components as it needs.

Each component comes from a file (--component, repeated), or from the keyboard: each custodian comes to the screen alone
and types the component. The screen is cleared after each. The command checks each checksum at once, and the root's check
value at the end. The new file appears only if every key in it opens.

It exits with 0 if the key file was made, and with 1 if not.`,
		Example: "  go run ./infra/tide keys join --file keys-wrapped.json --out keys.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			threshold, _, err := keys.Ceremony(file)
			if err != nil {
				return err
			}
			read := func() ([]keys.Component, error) { return askComponents(cmd, threshold) }
			if len(files) > 0 {
				read = func() ([]keys.Component, error) { return readComponents(files) }
			}
			components, err := read()
			if err != nil {
				return err
			}
			if err := keys.Join(shamir.Scheme{}, file, to, components); err != nil {
				return err
			}
			check, err := keys.CheckValue(to)
			if err != nil {
				return err
			}
			return printf(cmd, "Made %s. The check value of its root is %s.\n", to, check)
		},
	}
	requireFlag(c, &file, "file", "path of the key file without its root")
	requireFlag(c, &to, "out", "path of the new key file")
	c.Flags().StringArrayVar(&files, "component", nil, "file with one component; repeat it for each")
	return c
}

func readComponents(files []string) (list []keys.Component, err error) {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("component: %w", err)
		}
		c, err := keys.ParseComponent(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// askComponents asks for one component after the other. A mistyped one is asked again.
func askComponents(cmd *cobra.Command, threshold int) (list []keys.Component, err error) {
	lines := bufio.NewScanner(cmd.InOrStdin())
	for len(list) < threshold {
		if err := printf(cmd, "Component %d of %d: ", len(list)+1, threshold); err != nil {
			return nil, err
		}
		if !lines.Scan() {
			return nil, errInput
		}
		c, err := keys.ParseComponent(lines.Text())
		told := "Good.\n"
		if err != nil {
			told = err.Error() + "\n"
		} else {
			list = append(list, c)
		}
		if err := printf(cmd, "%s%s", clearScreen, told); err != nil {
			return nil, err
		}
	}
	return list, nil
}

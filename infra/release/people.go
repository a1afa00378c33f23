package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/infra/record"
	"github.com/tidebank/tidebank/infra/release/gate"
	"github.com/tidebank/tidebank/shared/sm"
)

// showCommand lists the libraries of a release.
func showCommand() *cobra.Command {
	var out, version, name string
	c := &cobra.Command{
		Use: "show", Short: "List the libraries of a function, worker or web app of a release", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return gate.Show(cmd.OutOrStdout(), filepath.Join(out, filepath.Base(version)), name)
		},
	}
	c.Flags().StringVar(&out, "out", "build/release", "the folder of all releases")
	c.Flags().StringVar(&version, "version", "", "the version")
	c.Flags().StringVar(&name, "name", "", "the function, worker or web app; empty: all")
	_ = c.MarkFlagRequired("version") // fails only for an unknown flag
	return c
}

// reviewCommand signs the review of commits.
func reviewCommand() *cobra.Command {
	var root, as, key string
	c := &cobra.Command{
		Use: "review COMMIT|RANGE", Short: "Sign that you have reviewed commits", Args: cobra.ExactArgs(1),
		Long: `Sign that you have reviewed commits: a commit, or a range such as v1.1.0..main.

A review says: the change holds no sensitive data and no hole in the business logic. It
is kept as a Git note. Share it: git push origin refs/notes/reviews`,
		RunE: func(cmd *cobra.Command, args []string) error {
			private, err := readKey(key)
			if err != nil {
				return err
			}
			n, err := gate.Sign(cmd.Context(), root, args[0], as, private)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d reviews signed.\n", n)
			return wrap(err)
		},
	}
	c.Flags().StringVar(&root, "root", ".", "the source")
	c.Flags().StringVar(&as, "as", "", "your name in the trust file")
	c.Flags().StringVar(&key, "key", "", "your private key")
	_ = c.MarkFlagRequired("as")
	_ = c.MarkFlagRequired("key")
	return c
}

// signCommand signs a record.
func signCommand() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use: "sign RECORD", Short: "Sign a record: an exception, a test run, a security test, a retirement", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := record.ReadFile(args[0])
			if err != nil {
				return err
			}
			private, err := readKey(key)
			if err != nil {
				return err
			}
			if err := r.Sign(private); err != nil {
				return err
			}
			return r.WriteFile(args[0])
		},
	}
	c.Flags().StringVar(&key, "key", "", "your private key")
	_ = c.MarkFlagRequired("key")
	return c
}

// keyCommand makes a key for a person.
func keyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "key FILE", Short: "Make a private key for a person, and print the public key for the trust file", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := sm.GenerateKey()
			if err != nil {
				return err
			}
			private, err := key.Marshal()
			if err != nil {
				return err
			}
			public, err := key.Public().Marshal()
			if err != nil {
				return err
			}
			file, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return fmt.Errorf("key: %w", err)
			}
			defer file.Close() // closed below, unless an error came first
			if _, err := file.WriteString(base64.StdEncoding.EncodeToString(private) + "\n"); err != nil {
				return fmt.Errorf("key: %w", err)
			}
			if err := file.Close(); err != nil {
				return fmt.Errorf("key: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), base64.StdEncoding.EncodeToString(public))
			return wrap(err)
		},
	}
}

// readKey reads a private key that keyCommand wrote.
func readKey(path string) (*sm.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	der, err := base64.StdEncoding.DecodeString(string(text[:max(0, len(text)-1)]))
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return sm.ParsePrivateKey(der)
}

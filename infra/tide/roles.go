package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/infra/roles"
)

var errNoDatabase = errors.New("set DATABASE_URL to the database, as the owner of its tables")

// rolesCommand holds the commands about the database's roles.
func rolesCommand() *cobra.Command {
	apply := &cobra.Command{
		Use: "apply", Short: "Give each function and worker a database role with only its privileges", Args: cobra.NoArgs,
		Long: `Give each function and worker a database role with only its privileges.

The command creates the roles that the server lacks (tidebank_transfer_confirm, ...)
and sets the privileges of all roles. Run it after each migration, as the owner of the
tables. Then give each role a password or a certificate, and put the role into the
DATABASE_URL of its process. It reads DATABASE_URL.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url := os.Getenv("DATABASE_URL")
			if url == "" {
				return errNoDatabase
			}
			if err := roles.Apply(cmd.Context(), url); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), "The roles have their privileges."); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			return nil
		},
	}
	parent := group("roles", "Give functions their database roles")
	parent.AddCommand(apply)
	return parent
}

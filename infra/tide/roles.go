package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
)

// rolesCommand holds the commands about the database's roles.
func rolesCommand() *cobra.Command {
	var add bool
	apply := &cobra.Command{
		Use: "apply", Short: "Give each function and worker a database role with only its privileges", Args: cobra.NoArgs,
		Long: `Give each function and worker a database role with only its privileges.

The command creates the roles that the server lacks (tidebank_transfer_confirm, ...)
and sets the privileges of all roles. Run it as the owner of the tables. While instances
of an earlier release run, use --add: it takes no privilege away. Run it again without
--add when they have ended. Give each new role a password or a certificate, and put the
role into the DATABASE_URL of its process. It reads DATABASE_URL.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var config pg.Config
			if err := host.Environment(&config); err != nil {
				return err
			}
			give := roles.Apply
			if add {
				give = roles.Add
			}
			if err := give(cmd.Context(), config.URL); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), "The roles have their privileges."); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			return nil
		},
	}
	apply.Flags().BoolVar(&add, "add", false, "take no privilege away")
	parent := group("roles", "Give functions their database roles")
	parent.AddCommand(apply)
	return parent
}

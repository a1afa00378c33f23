// Command migrate brings the database at DATABASE_URL up to the current schema. It
// says so when it waits for another process, and gives up after MIGRATE_LOCK_WAIT. With
// MIGRATE_ROLES, it then makes the roles of the functions and workers and gives them
// their privileges: "add" takes none away, for a release whose first instance is still to
// come; "exact" takes away all others, as "tide roles apply" does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
)

type config struct {
	DB       pg.Config
	LockWait time.Duration `envconfig:"MIGRATE_LOCK_WAIT" default:"1m" min:"1s" max:"1h"`
	Roles    privileges    `envconfig:"MIGRATE_ROLES" default:"none"`
}

func main() {
	var c config
	if err := host.Environment(&c); err != nil {
		fmt.Fprintln(os.Stderr, "migrate:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.migrate(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
	fmt.Println("migrated")
}

// privileges says how the roles get their privileges.
type privileges string

// Decode reads the setting.
func (p *privileges) Decode(text string) error {
	if !slices.Contains([]string{"none", "add", "exact"}, text) {
		return errors.New("set none, add or exact")
	}
	*p = privileges(text)
	return nil
}

func (c config) migrate(ctx context.Context) error {
	report := func(line string) { fmt.Fprintln(os.Stderr, "migrate:", line) }
	run := migrations.Run{URL: c.DB.URL, LockWait: c.LockWait, Report: report}
	if c.Roles != "none" {
		var err error
		if run.Grants, err = roles.Additions(ctx, c.DB.URL); err != nil {
			return err
		}
	}
	if err := run.Up(ctx); err != nil || c.Roles != "exact" {
		return err
	}
	return roles.Apply(ctx, c.DB.URL)
}

// Command migrate brings the database at DATABASE_URL up to the current schema. It
// says so when it waits for another process, and gives up after MIGRATE_LOCK_WAIT. With
// MIGRATE_ROLES, it then makes the roles of the functions and workers and gives them
// their privileges, as "tide roles apply" does.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
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
	Roles    bool          `envconfig:"MIGRATE_ROLES" default:"false"`
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

func (c config) migrate(ctx context.Context) error {
	report := func(line string) { fmt.Fprintln(os.Stderr, "migrate:", line) }
	if err := (migrations.Run{URL: c.DB.URL, LockWait: c.LockWait, Report: report}).Up(ctx); err != nil {
		return err
	}
	if !c.Roles {
		return nil
	}
	return roles.Apply(ctx, c.DB.URL)
}

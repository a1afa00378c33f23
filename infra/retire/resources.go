package retire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/infra/roles"
	"github.com/tidebank/tidebank/shared/redisdb"
)

const (
	sqlDropRole = `-- retire.drop_role
SELECT format('DROP ROLE IF EXISTS %I', $1::text)`
	sqlLeftDatabases = `-- retire.left_databases
SELECT 'database ' || datname FROM pg_database WHERE datname IN ($1, $2) ORDER BY 1`
	// sqlLeftRoles leaves out a role that another database of the server uses too.
	sqlLeftRoles = `-- retire.left_roles
SELECT 'role ' || r.rolname FROM pg_roles r WHERE r.rolname = ANY ($1::text[]) AND NOT EXISTS (
  SELECT 1 FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid
  AND d.dbid NOT IN (0, coalesce((SELECT oid FROM pg_database WHERE datname = $2), 0)))
ORDER BY 1`
)

// redisKey is the form of every key that the bank writes.
var redisKey = regexp.MustCompile(`^(\{[0-9a-f]+\}:(channel|login|rate:.*)|(rate|logins|refused|failures|captcha):.*)$`)

// remove removes everything, what holds data first. The queues of the bank (outbox, letters,
// deliveries of its own broker) are tables of the database.
func (o Order) remove(ctx context.Context, name string) error {
	admin, err := connect(ctx, o.Database, "postgres")
	if err != nil {
		return err
	}
	defer admin.Close(ctx) // a failed close loses no data
	// DROP DATABASE itself refuses while somebody is connected.
	if err := run(ctx, admin, sqlDropDatabase, name); err != nil {
		return err
	}
	o.say("The database %s is removed.", name)
	if err := o.removeRoles(ctx, admin); err != nil {
		return err
	}
	if err := o.eachRedis(ctx, func(ctx context.Context, node *redis.Client) error { return node.FlushDB(ctx).Err() }); err != nil {
		return err
	}
	for _, path := range append([]string{o.KeyFile}, o.Secrets...) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("secret: %w", err)
		}
	}
	o.say("The roles, the keys of Redis and the files with secrets are removed.")
	return nil
}

// removeRoles removes the roles. A role that another bank on the same server uses stays.
func (o Order) removeRoles(ctx context.Context, admin *pgx.Conn) error {
	for _, role := range roles.Names() {
		err := run(ctx, admin, sqlDropRole, role)
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code == "2BP01" { // dependent objects exist
			o.say("The role %s stays: another database uses it.", role)
			continue
		}
		if err != nil {
			return fmt.Errorf("role %s: %w", role, err)
		}
	}
	return nil
}

// Left lists what the bank still has. It changes nothing, and may run at any time.
func Left(ctx context.Context, o Order) ([]string, error) {
	config, err := pgx.ParseConfig(o.Database)
	if err != nil {
		return nil, errors.New("DATABASE_URL can't be read") // the cause would show the password
	}
	admin, err := connect(ctx, o.Database, "postgres")
	if err != nil {
		return nil, err
	}
	defer admin.Close(ctx) // a failed close loses no data
	left, err := texts(ctx, admin, sqlLeftDatabases, config.Database, scratch(config.Database))
	if err != nil {
		return nil, err
	}
	more, err := texts(ctx, admin, sqlLeftRoles, roles.Names(), config.Database)
	if err != nil {
		return nil, err
	}
	left = append(left, more...)
	err = o.eachRedis(ctx, func(ctx context.Context, node *redis.Client) error {
		n, err := node.DBSize(ctx).Result()
		if n > 0 {
			left = append(left, fmt.Sprintf("%d keys of Redis", n))
		}
		return err //nolint:wrapcheck // eachRedis does it
	})
	if err != nil {
		return nil, err
	}
	for _, path := range append([]string{o.KeyFile}, o.Secrets...) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			left = append(left, "secret "+path)
		}
	}
	return left, nil
}

func texts(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]string, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("retire: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("retire: %w", err)
	}
	return list, nil
}

// eachRedis works on the Redis, or on each master of a cluster, one after another.
func (o Order) eachRedis(ctx context.Context, work func(context.Context, *redis.Client) error) error {
	client, err := redisdb.Open(redisdb.Config{URL: o.Redis})
	if err != nil {
		return err
	}
	defer client.Close() // a failed close loses no data
	switch c := client.(type) {
	case *redis.Client:
		err = work(ctx, c)
	case *redis.ClusterClient:
		one := make(chan struct{}, 1)
		err = c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			one <- struct{}{}
			defer func() { <-one }()
			return work(ctx, node)
		})
	}
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// foreignKeys refuses a Redis that another system uses too: the removal empties it.
func (o Order) foreignKeys(ctx context.Context) error {
	return o.eachRedis(ctx, func(ctx context.Context, node *redis.Client) error {
		for keys := node.Scan(ctx, 0, "*", 1000).Iterator(); ; {
			if !keys.Next(ctx) {
				return keys.Err()
			}
			if !redisKey.MatchString(keys.Val()) {
				return ErrForeign
			}
		}
	})
}

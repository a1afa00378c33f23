package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/infra/pgserver"
)

// preparedName is the migrated database in the prepared data.
const preparedName = "tidebank_prepared"

func settings() map[string]string {
	return map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300",
		"shared_buffers": "128MB", "autovacuum": "off",
	}
}

// startPrepared starts a server in dir on a copy of the prepared data. The first process that
// needs them makes them; the other processes wait. Data that no server here can open are made again.
func startPrepared(ctx context.Context, dir string) (*pgserver.Server, error) {
	for again := false; ; again = true {
		data, err := prepared(ctx, again)
		if err != nil {
			return nil, err
		}
		server, err := startOn(ctx, dir, data)
		if err == nil || again {
			return server, err
		}
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("pgtest: %w", err)
		}
	}
}

func startOn(ctx context.Context, dir, data string) (*pgserver.Server, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil { // the server's user enters it
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	// cp keeps the owner, who runs the server.
	out, err := exec.CommandContext(ctx, "cp", "-Rp", data, filepath.Join(dir, "pgdata")).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("pgtest: copy the prepared data: %w\n%s", err, out)
	}
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Settings: settings()})
	if err != nil {
		return nil, fmt.Errorf("pgtest: %w", err)
	}
	return server, nil
}

// prepared returns the folder of a stopped server's data that hold the migrated database. It makes
// them if they are missing, or anyway.
func prepared(ctx context.Context, anyway bool) (data string, err error) {
	dir := filepath.Join(os.TempDir(), prefix+"prepared-"+migrations.Digest())
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // this ends the lock too
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	data = filepath.Join(dir, "pgdata")
	if _, err := os.Stat(data); err == nil && !anyway {
		return data, nil
	}
	making := dir + ".making"
	if err := errors.Join(os.RemoveAll(making), os.RemoveAll(dir)); err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	if err := prepare(ctx, making); err != nil {
		return "", err
	}
	if err := os.Rename(making, dir); err != nil {
		return "", fmt.Errorf("pgtest: %w", err)
	}
	return data, nil
}

func prepare(ctx context.Context, dir string) error {
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Settings: settings(), Persistent: true})
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	err = run(cluster{url: server.URL}, "CREATE DATABASE "+preparedName)
	if err == nil {
		err = migrations.Up(ctx, server.URL(preparedName))
	}
	return errors.Join(err, server.Stop())
}

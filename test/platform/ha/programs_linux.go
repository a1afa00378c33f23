package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"

	"github.com/tidebank/tidebank/infra/pgserver"
)

// programs are the installed programs, and the user who runs them.
type programs struct {
	patroni, etcd, redis string
	postgres             string // folder of PostgreSQL's programs
	who                  *syscall.Credential
}

var errNeeds = errors.New("make test-ha needs root on Debian, or patroni, etcd, redis-server and PostgreSQL installed")

// findPrograms finds the programs. It installs those that are missing, and starts no
// service of the machine.
func findPrograms(ctx context.Context) (programs, error) {
	p, missing := lookUp()
	if len(missing) > 0 {
		if err := install(ctx, missing); err != nil {
			return p, fmt.Errorf("%w; missing packages: %v: %w", errNeeds, missing, err)
		}
		if p, missing = lookUp(); len(missing) > 0 {
			return p, fmt.Errorf("%w; still missing: %v", errNeeds, missing)
		}
	}
	if os.Geteuid() != 0 {
		return p, errNeeds // PostgreSQL runs as the user postgres, and root starts it
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return p, fmt.Errorf("%w: %w", errNeeds, err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return p, fmt.Errorf("user postgres: %w", err)
	}
	p.who = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return p, nil
}

func lookUp() (p programs, missing []string) {
	find := func(into *string, pack string, names ...string) {
		for _, name := range names {
			if path, err := exec.LookPath(name); err == nil {
				*into = path
				return
			}
		}
		missing = append(missing, pack)
	}
	find(&p.patroni, "patroni", "patroni", "/usr/bin/patroni")
	find(&p.etcd, "etcd-server", "etcd", "/usr/bin/etcd")
	find(&p.redis, "redis-server", "redis-server", "valkey-server", "/usr/bin/redis-server")
	var err error
	if p.postgres, err = pgserver.FindBin(); err != nil {
		missing = append(missing, "postgresql")
	}
	return p, missing
}

// noStart makes Debian's packages start no service while they are installed.
const noStart = "/usr/sbin/policy-rc.d"

func install(ctx context.Context, packages []string) error {
	if os.Geteuid() != 0 {
		return os.ErrPermission
	}
	fmt.Println("installs", packages)
	if _, err := os.Stat(noStart); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(noStart, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return fmt.Errorf("%s: %w", noStart, err)
		}
		defer os.Remove(noStart) // a file that stays starts no service, and does no other harm
	}
	packages = append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)
	for _, args := range [][]string{{"update", "-qq"}, packages} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, bytes.TrimSpace(out))
		}
	}
	return nil
}

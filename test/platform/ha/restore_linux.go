package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tidebank/tidebank/shared/pg"
)

// pg makes a command of PostgreSQL's programs, as its user.
func (l *lab) pg(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(l.postgres, program), args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PGPASSWORD="+databasePassword)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: l.who, Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, bytes.TrimSpace(out))
	}
	return nil
}

// restore takes a backup under load, lets the customers go on, and restores the database
// to a moment from the backup and the archived log.
func restore(ctx context.Context, l *lab, r *result) error {
	if err := l.site("restored"); err != nil {
		return err
	}
	p := process{dir: l.at("restored", "pg"), who: l.who}
	data := filepath.Join(p.dir, "data")
	if err := p.folder(p.dir); err != nil {
		return err
	}
	site, err := l.primary(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	err = l.pg(ctx, p.dir, "pg_basebackup", "-h", "127.0.0.1", "-p", fmt.Sprint(l.port("pg "+site)), "-U", "replicator",
		"-D", data, "-X", "none", "-c", "fast")
	if err != nil {
		return err
	}
	r.figure("backup, s", time.Since(began).Seconds())
	time.Sleep(3 * time.Second) // customers go on
	moment := time.Now()
	time.Sleep(2 * time.Second) // and after the moment too
	if err := l.archived(ctx, site); err != nil {
		return err
	}
	began = time.Now()
	if p.args, err = l.recoverTo(data, moment); err != nil {
		return err
	}
	if err := p.start(); err != nil {
		return err
	}
	defer kill(p.dir)
	url := l.url(databaseName, "restored")
	err = await(ctx, 2*time.Minute, "restored database", func(ctx context.Context) error {
		standby, err := ask[bool](ctx, url, "SELECT pg_is_in_recovery()")
		if err == nil && standby {
			err = errors.New("it still reads the log")
		}
		return err
	})
	if err != nil {
		return err
	}
	r.figure("restore, s", time.Since(began).Seconds())
	return l.judgeRestored(ctx, url, moment, r)
}

// archived waits until the log up to now is in the archive.
func (l *lab) archived(ctx context.Context, site string) error {
	name, err := ask[string](ctx, l.url("postgres", site), "SELECT pg_walfile_name(pg_switch_wal())")
	if err != nil {
		return err
	}
	return await(ctx, time.Minute, "archived log", func(context.Context) error {
		_, err := os.Stat(filepath.Join(l.archive(), name))
		return err
	})
}

// recoverTo writes the settings of the restored database, and returns its command.
func (l *lab) recoverTo(data string, moment time.Time) ([]string, error) {
	signal := filepath.Join(data, "recovery.signal")
	err := os.WriteFile(signal, nil, 0o600)
	if err == nil {
		err = os.Chown(signal, int(l.who.Uid), int(l.who.Gid))
	}
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	args := []string{filepath.Join(l.postgres, "postgres"), "-D", data}
	for _, setting := range []string{
		"port=" + fmt.Sprint(l.port("pg restored")), "listen_addresses=127.0.0.1",
		"unix_socket_directories=" + filepath.Dir(data),
		"archive_mode=off", "synchronous_standby_names=", "primary_conninfo=", "restore_command=cp " + l.archive() + "/%f %p",
		"recovery_target_time=" + moment.UTC().Format("2006-01-02 15:04:05.000000+00"), "recovery_target_action=promote",
		"recovery_target_timeline=latest", "hba_file=" + filepath.Join(data, "pg_hba.conf"),
	} {
		args = append(args, "-c", setting)
	}
	return args, nil
}

// judgeRestored compares the restored database with what was acknowledged before the
// moment, and shows that it stopped there.
func (l *lab) judgeRestored(ctx context.Context, url string, moment time.Time, r *result) error {
	db, err := pg.Open(ctx, pg.Config{URL: url, MaxConns: 2, QueryTimeout: time.Minute})
	if err != nil {
		return err
	}
	defer db.Close()
	t, err := l.count(ctx, db, moment)
	if err != nil {
		return err
	}
	r.figure("acknowledged before the moment", float64(t.Acknowledged))
	r.figure("of them missing", float64(t.Lost))
	var later int
	err = db.Pool().QueryRow(ctx, "SELECT count(*) FROM transfer WHERE posted_at > $1", moment).Scan(&later)
	if err != nil {
		return fmt.Errorf("later transfers: %w", err)
	}
	r.figure("after the moment", float64(later))
	if t.Lost+t.Doubled+later > 0 || t.Unsound != "" || t.Acknowledged == 0 {
		return fmt.Errorf("%w: the restored database: %+v, %d later transfers", errFailed, t, later)
	}
	return nil
}

// loseBoth kills both sites and the witness. An operator then promotes the remote site's
// database, and customers are sent there. The standby is asynchronous, so the last
// transfers may be missing.
func loseBoth(ctx context.Context, l *lab, r *result) error {
	if err := l.remoteFollows(ctx); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	for _, site := range []string{siteA, siteB, witness} {
		strike(l.siteFolder(site), syscall.SIGSTOP) // all at one moment
	}
	since := time.Now()
	for _, site := range []string{siteA, siteB, witness} {
		kill(l.siteFolder(site))
	}
	if err := l.promote(ctx); err != nil {
		return err
	}
	if err := errors.Join(l.startRedis(remote, "redis-r", false), l.startBank(remote)); err != nil {
		return err
	}
	l.edge.send(remote)
	if err := l.serves(ctx, since, r); err != nil {
		return err
	}
	db, err := pg.Open(ctx, pg.Config{URL: l.url(databaseName, remote), MaxConns: 2, QueryTimeout: time.Minute})
	if err != nil {
		return err
	}
	defer db.Close()
	t, err := l.count(ctx, db, since)
	if err != nil {
		return err
	}
	r.Behind, r.Acknowledged, r.Doubled, r.Unsound = t.Lost, t.Acknowledged, t.Doubled, t.Unsound
	if t.Lost > 0 {
		r.figure("oldest missing transfer before the loss, s", since.Sub(t.firstLost).Seconds())
	}
	return nil
}

// promote stops the remote site's Patroni, whose votes are lost, and promotes its database.
func (l *lab) promote(ctx context.Context) error {
	dir := l.at(remote, "pg")
	for _, pid := range below(dir) {
		if folder, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && folder == dir {
			_ = syscall.Kill(pid, syscall.SIGKILL) // PostgreSQL's own processes are in dir/data
		}
	}
	return l.pg(ctx, dir, "pg_ctl", "promote", "-D", filepath.Join(dir, "data"), "-w")
}

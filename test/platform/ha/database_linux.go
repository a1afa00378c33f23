package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Patroni's times. A dead primary's key expires after ttl. ttl is at least loop_wait and
// twice retry_timeout, so that a slow etcd does not cost the primary its key.
const (
	ttl          = 10
	loopWait     = 2
	retryTimeout = 4
)

// startEtcd starts a voter. Patroni uses its second interface: there, a primary that was
// frozen and wakes up can't take the key back from its successor. With the third
// interface, Patroni 3.0 writes the key without a comparison.
func (l *lab) startEtcd(site string) error {
	var members []string
	for _, s := range []string{siteA, siteB, witness} {
		members = append(members, s+"=http://"+l.address("etcd peer "+s))
	}
	client, peer := "http://"+l.address("etcd "+site), "http://"+l.address("etcd peer "+site)
	return process{dir: l.at(site, "etcd"), who: l.who, args: []string{
		l.etcd, "--name", site, "--data-dir", "data",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", strings.Join(members, ","), "--enable-v2",
		"--heartbeat-interval", "200", "--election-timeout", "2000",
	}}.start()
}

// startPatroni starts a node of the database. The remote site's node follows the primary
// asynchronously, and no machine promotes it.
func (l *lab) startPatroni(site string) error {
	p := process{dir: l.at(site, "pg"), who: l.who, args: []string{l.patroni, "patroni.yaml"}}
	if err := errors.Join(p.folder(p.dir), p.folder(l.archive())); err != nil {
		return err
	}
	config := filepath.Join(p.dir, "patroni.yaml")
	if err := os.WriteFile(config, []byte(l.patroniConfig(site)), 0o644); err != nil {
		return fmt.Errorf("patroni: %w", err)
	}
	return p.start()
}

func (l *lab) patroniConfig(site string) string {
	hosts := []string{l.address("etcd " + siteA), l.address("etcd " + siteB), l.address("etcd " + witness)}
	return strings.NewReplacer(
		"@site", site, "@hosts", strings.Join(hosts, ", "), "@rest", l.address("patroni "+site), "@pg", l.address("pg "+site),
		"@dir", l.at(site, "pg"), "@bin", l.postgres, "@pw", databasePassword, "@archive", l.archive(),
		"@ttl", fmt.Sprint(ttl), "@loop", fmt.Sprint(loopWait), "@retry", fmt.Sprint(retryTimeout),
		"@apart", fmt.Sprint(site == remote),
	).Replace(`
scope: bank
name: @site
restapi: {listen: "@rest", connect_address: "@rest"}
etcd: {hosts: [@hosts]}
bootstrap:
  dcs:
    ttl: @ttl
    loop_wait: @loop
    retry_timeout: @retry
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters:
        max_connections: 150
        wal_level: replica
        wal_log_hints: "on"
        archive_mode: "on"
        archive_timeout: 60
        max_wal_size: 256MB
        wal_keep_size: 1GB
        synchronous_commit: "on"
        fsync: "on"
  initdb: [{encoding: UTF8}, {locale: C}, data-checksums]
postgresql:
  listen: "@pg"
  connect_address: "@pg"
  data_dir: @dir/data
  bin_dir: @bin
  pgpass: @dir/pgpass
  authentication:
    superuser: {username: postgres, password: @pw}
    replication: {username: replicator, password: @pw}
  parameters:
    unix_socket_directories: @dir
    archive_command: "cmp -s %p @archive/%f || { test ! -f @archive/%f && cp %p @archive/.%f && mv @archive/.%f @archive/%f; }"
  pg_hba:
    - host all all 127.0.0.1/32 scram-sha-256
    - host replication replicator 127.0.0.1/32 scram-sha-256
    - local all all scram-sha-256
tags: {nofailover: @apart, nosync: @apart}
`)
}

// archive is the folder of the archived log, as a bank's object store outside the sites.
func (l *lab) archive() string { return filepath.Join(l.dir, "archive") }

// url is the address of a site's database, or of several sites' primary.
func (l *lab) url(database string, sites ...string) string {
	var hosts []string
	for _, s := range sites {
		hosts = append(hosts, l.address("pg "+s))
	}
	url := "postgres://postgres:" + databasePassword + "@" + strings.Join(hosts, ",") + "/" + database + "?sslmode=disable"
	if len(sites) > 1 {
		url += "&target_session_attrs=read-write"
	}
	return url
}

// ask reads one value.
func ask[T any](ctx context.Context, url, sql string, args ...any) (value T, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return value, fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx) // nothing is under way
	if err := conn.QueryRow(ctx, sql, args...).Scan(&value); err != nil {
		return value, fmt.Errorf("query: %w", err)
	}
	return value, nil
}

// primary returns the site whose database takes changes.
func (l *lab) primary(ctx context.Context) (string, error) {
	for _, site := range []string{siteA, siteB} {
		if standby, err := ask[bool](ctx, l.url("postgres", site), "SELECT pg_is_in_recovery()"); err == nil && !standby {
			return site, nil
		}
	}
	return "", errors.New("no primary")
}

func other(site string) string {
	if site == siteA {
		return siteB
	}
	return siteA
}

// pairedUp waits until the database has a primary and a synchronous standby.
func (l *lab) pairedUp(ctx context.Context) error {
	return await(ctx, 2*time.Minute, "a primary with a synchronous standby", func(ctx context.Context) error {
		site, err := l.primary(ctx)
		if err != nil {
			return err
		}
		n, err := ask[int](ctx, l.url("postgres", site),
			"SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'")
		if err == nil && n == 0 {
			err = errors.New("no synchronous standby")
		}
		return err
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// setUp starts both sites, the witness and the remote site, and logs the customers in.
func (l *lab) setUp(ctx context.Context) error {
	for _, site := range []string{siteA, siteB, witness, remote} {
		if err := l.site(site); err != nil {
			return err
		}
	}
	steps := []struct {
		what string
		do   func(context.Context) error
	}{
		{"votes and caches", l.startVotes},
		{"database with a synchronous and an asynchronous standby", l.startDatabase},
		{"cache of three primaries and three replicas", l.joinCaches},
		{"schema and keys", l.fill},
		{"functions and messaging of both sites", l.startSites},
		{"customers", l.populate},
	}
	for _, s := range steps {
		began := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		say("%s: %.1f s", s.what, time.Since(began).Seconds())
	}
	return nil
}

func (l *lab) startVotes(context.Context) error {
	return errors.Join(l.startEtcd(siteA), l.startEtcd(siteB), l.startEtcd(witness), l.startCaches())
}

func (l *lab) startDatabase(ctx context.Context) error {
	if err := l.startPatroni(siteA); err != nil {
		return err
	}
	err := await(ctx, 2*time.Minute, "primary", func(ctx context.Context) error {
		_, err := l.primary(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err := errors.Join(l.startPatroni(siteB), l.startPatroni(remote)); err != nil {
		return err
	}
	if err := l.pairedUp(ctx); err != nil {
		return err
	}
	return l.remoteFollows(ctx)
}

// remoteFollows waits until the remote site's database follows the primary.
func (l *lab) remoteFollows(ctx context.Context) error {
	return await(ctx, 2*time.Minute, "remote standby", func(ctx context.Context) error {
		follows, err := ask[bool](ctx, l.url("postgres", remote),
			"SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')")
		if err == nil && !follows {
			err = errors.New("it does not follow")
		}
		return err
	})
}

// fill makes the database's schema, and the keys.
func (l *lab) fill(ctx context.Context) error {
	config, _, err := pg.Config{URL: l.url("postgres", siteA, siteB)}.Single("tidebank-ha")
	if err != nil {
		return err
	}
	if err := createDatabase(ctx, config); err != nil {
		return err
	}
	both := l.url(databaseName, siteA, siteB)
	if err := migrations.Up(ctx, both); err != nil {
		return err
	}
	if err := keys.Create(l.keyFile()); err != nil {
		return err
	}
	if l.ring, err = keys.Open(ctx, keys.Config{File: l.keyFile()}, keys.All()...); err != nil {
		return err
	}
	if l.db, err = pg.Open(ctx, pg.Config{URL: both, MaxConns: 4, QueryTimeout: time.Minute}); err != nil {
		return err
	}
	l.close = append(l.close, l.db.Close)
	return nil
}

// startSites starts the edge, the text messages' gateway, and the bank in both sites.
func (l *lab) startSites(ctx context.Context) error {
	l.edge = newEdge()
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.close = append(l.close, stop)
	go l.edge.watch(watching)
	err := errors.Join(
		l.serve("sms", l.sms), l.serve("edge", l.edge.handler("")), l.serve("edge "+siteA, l.edge.handler(siteA)),
		l.serve("edge "+siteB, l.edge.handler(siteB)), l.serve("edge "+remote, l.edge.handler(remote)),
	)
	if err != nil {
		return err
	}
	if err := errors.Join(l.startBank(siteA), l.startBank(siteB)); err != nil {
		return err
	}
	return errors.Join(l.bankServes(ctx, siteA), l.bankServes(ctx, siteB))
}

// bankServes waits until every instance of a site is ready.
func (l *lab) bankServes(ctx context.Context, site string) error {
	return await(ctx, time.Minute, "functions of site "+site, func(context.Context) error {
		if n := l.edge.readyIn(site); n < instancesOfSite {
			return fmt.Errorf("%w: %d instances are ready", errFailed, n)
		}
		return nil
	})
}

// populate writes the customers, and logs in those who make the load.
func (l *lab) populate(ctx context.Context) error {
	l.load = &load{people: make([]*person, workers+probes), troubles: map[string]int{}}
	seeder := seed.Seeder{
		DB: l.db, Ring: l.ring, Clock: clock.System{},
		Passwords: password.NewStore(l.ring, password.NewHashing(password.Config{})),
	}
	pin, err := sm.CertificateKey(l.ring.Certificate(), time.Now())
	if err != nil {
		return err
	}
	for n := range l.load.people {
		if l.load.people[n], err = l.newPerson(ctx, seeder, pin, n); err != nil {
			return err
		}
	}
	errs := make([]error, workers)
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() { errs[n] = await(ctx, time.Minute, "login", l.load.people[n].login) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func createDatabase(ctx context.Context, config *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close(ctx) // nothing is under way
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+databaseName); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// caches are the nodes of the Redis Cluster. Each site and the witness has a primary, and
// the replica of another place's primary: so the loss of one place leaves a majority and
// all data.
func caches() []struct{ site, name, of string } {
	return []struct{ site, name, of string }{
		{siteA, "redis-a", ""},
		{siteB, "redis-b", ""},
		{witness, "redis-w", ""},
		{siteB, "redis-a2", "redis-a"},
		{witness, "redis-b2", "redis-b"},
		{siteA, "redis-w2", "redis-w"},
	}
}

func (l *lab) startRedis(site, name string, cluster bool) error {
	args := []string{
		l.redis, "--port", fmt.Sprint(l.port(name)), "--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction",
		"--appendonly", "yes",
	}
	if cluster {
		bus := l.port(name + " bus")
		args = append(args, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", fmt.Sprint(bus))
	}
	return process{dir: l.at(site, name), args: args, who: l.who}.start()
}

func (l *lab) startCaches() error {
	var errs []error
	for _, c := range caches() {
		errs = append(errs, l.startRedis(c.site, c.name, true))
	}
	return errors.Join(errs...)
}

func (l *lab) cacheURL() string {
	var more []string
	for _, c := range caches()[1:] {
		more = append(more, "&addr="+l.address(c.name))
	}
	return "redis://" + l.address("redis-a") + "?cluster=true" + strings.Join(more, "")
}

// joinCaches makes one cluster of the nodes.
func (l *lab) joinCaches(ctx context.Context) error {
	node := map[string]*redis.Client{}
	id := map[string]string{}
	for _, c := range caches() {
		client := redis.NewClient(&redis.Options{Addr: l.address(c.name)})
		defer client.Close() // nothing is under way
		node[c.name] = client
		err := await(ctx, 30*time.Second, c.name, func(ctx context.Context) (err error) {
			id[c.name], err = client.Do(ctx, "CLUSTER", "MYID").Text()
			return err
		})
		if err != nil {
			return err
		}
	}
	for i, first := range []string{"redis-a", "redis-b", "redis-w"} {
		if err := node[first].ClusterAddSlotsRange(ctx, i*16384/3, (i+1)*16384/3-1).Err(); err != nil {
			return fmt.Errorf("slots: %w", err)
		}
	}
	for i, c := range caches() {
		err := node[c.name].Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err()
		if err == nil {
			err = node["redis-a"].Do(ctx, "CLUSTER", "MEET", "127.0.0.1", l.port(c.name), l.port(c.name+" bus")).Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for _, c := range caches() {
		if c.of == "" {
			continue
		}
		err := await(ctx, 30*time.Second, c.name+" replicates", func(ctx context.Context) error {
			return node[c.name].ClusterReplicate(ctx, id[c.of]).Err()
		})
		if err != nil {
			return err
		}
	}
	return l.cacheWhole(ctx)
}

// cacheWhole waits until every node finds that the cluster serves all data and that each
// primary has a replica.
func (l *lab) cacheWhole(ctx context.Context) error {
	return await(ctx, time.Minute, "cache", func(ctx context.Context) error {
		for _, c := range caches() {
			client := redis.NewClient(&redis.Options{Addr: l.address(c.name), MaxRetries: -1})
			info, err := client.ClusterInfo(ctx).Result()
			nodes, err2 := client.ClusterNodes(ctx).Result()
			_ = client.Close()
			if err := errors.Join(err, err2); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:6") ||
				strings.Count(nodes, "slave") != 3 || strings.Contains(nodes, "fail") {
				return fmt.Errorf("%s: not whole", c.name)
			}
		}
		return nil
	})
}

// cachesHome gives each place its own primary back. After a failover one place has two of
// the three primaries: without that place, the others would be no majority.
func (l *lab) cachesHome(ctx context.Context) error {
	for _, c := range caches() {
		if c.of != "" {
			continue
		}
		node := redis.NewClient(&redis.Options{Addr: l.address(c.name)})
		err := await(ctx, time.Minute, c.name+" is primary", func(ctx context.Context) error {
			role, err := node.Info(ctx, "replication").Result()
			if err == nil && !strings.Contains(role, "role:master") {
				err = errors.New("it is a replica")
				if asked := node.ClusterFailover(ctx).Err(); asked != nil {
					err = asked
				}
			}
			return err
		})
		_ = node.Close()
		if err != nil {
			return err
		}
	}
	return l.cacheWhole(ctx)
}

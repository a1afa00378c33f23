package redisdb

import (
	"context"
	"errors"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/downstream"
)

// Observe registers the metrics of the client's connections.
func Observe(client redis.UniversalClient, registry prometheus.Registerer) {
	gauge := func(name, help string, value func(*redis.PoolStats) uint32) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(value(client.PoolStats())) }))
	}
	gauge("tidebank_redis_connections", "Open connections to Redis.",
		func(s *redis.PoolStats) uint32 { return s.TotalConns })
	gauge("tidebank_redis_connections_in_use", "Connections to Redis that are in use.",
		func(s *redis.PoolStats) uint32 { return s.TotalConns - min(s.IdleConns, s.TotalConns) })
	gauge("tidebank_redis_connections_idle", "Open connections to Redis that nobody uses.",
		func(s *redis.PoolStats) uint32 { return s.IdleConns })
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tidebank_redis_wait_timeouts_total", Help: "Callers that waited for a connection to Redis in vain.",
	}, func() float64 { return float64(client.PoolStats().Timeouts) }))
}

// observed times and traces commands. A span has the name of the command, and holds no
// key and no value.
type observed struct{ timer *downstream.Timer }

// DialHook changes nothing: a command whose connection fails, fails.
func (observed) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook times one command.
func (o observed) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, call := o.timer.Begin(ctx, "redis "+cmd.Name())
		err := next(ctx, cmd)
		call.End(unanswered(err))
		return err
	}
}

// ProcessPipelineHook times a pipeline.
func (o observed) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, call := o.timer.Begin(ctx, "redis pipeline")
		err := next(ctx, cmds)
		call.End(unanswered(err))
		return err
	}
}

// unanswered reports whether Redis gave no answer, or answered that it can't work. Every
// other error of Redis and a missing key are answers. A caller that has left is no failure.
func unanswered(err error) bool {
	var answer redis.Error
	if errors.As(err, &answer) {
		return slices.ContainsFunc(downs, func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
	}
	return err != nil && !errors.Is(err, context.Canceled)
}

// downs begin the errors by which Redis says that it can't work now.
var downs = []string{"LOADING", "CLUSTERDOWN", "MASTERDOWN", "READONLY"}

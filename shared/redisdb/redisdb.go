// Package redisdb opens the client of Redis: one server, or a Redis Cluster.
//
// The client repeats no command by itself. When an answer is lost, Redis may have done
// the work, and a repetition would get another answer: a frame would look replayed, a
// captcha used up. A caller whose command may be repeated says so with Repeat.
//
// Every wait for Redis has an end: one second for a connection, two for an answer. A
// client is safe for concurrent use.
package redisdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidebank/tidebank/shared/downstream"
)

// Config is read from the environment once.
//
// URL is redis://user:password@host:port/db, or rediss:// with TLS. With the parameter
// cluster=true the host is a node of a Redis Cluster; each parameter addr=host:port
// names one more node. The other parameters are those of go-redis.
type Config struct {
	URL string `envconfig:"REDIS_URL" required:"true" secret:"true"`

	Timer *downstream.Timer `ignored:"true"` // times and traces the commands; nil times nothing
}

// Reasons why a process does not start with a REDIS_URL.
var (
	ErrURL   = errors.New("REDIS_URL is not a Redis URL; write rediss://user:password@host:6379")
	ErrPlain = fmt.Errorf("REDIS_URL must begin with rediss:// and must not set skip_verify: %w, and the server must prove its name",
		downstream.ErrClear)
)

const (
	dialTimeout   = time.Second
	answerTimeout = 2 * time.Second
)

// Open returns a client that connects when it is first used.
func Open(config Config) (redis.UniversalClient, error) {
	u, cluster, err := config.parse()
	if err != nil {
		return nil, err
	}
	if cluster {
		options, err := redis.ParseClusterURL(u.String())
		if err != nil {
			return nil, ErrURL // the cause would show the password
		}
		common{
			retries: &options.MaxRetries, idle: &options.MinIdleConns, byContext: &options.ContextTimeoutEnabled,
			dial: &options.DialTimeout, answers: []*time.Duration{&options.ReadTimeout, &options.WriteTimeout, &options.PoolTimeout},
		}.set()
		client := redis.NewClusterClient(options)
		client.OnNewNode(func(node *redis.Client) { node.AddHook(final{client}) })
		client.AddHook(observed{config.Timer})
		return client, nil
	}
	options, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, ErrURL // as above
	}
	common{
		retries: &options.MaxRetries, idle: &options.MinIdleConns, byContext: &options.ContextTimeoutEnabled,
		dial: &options.DialTimeout, answers: []*time.Duration{&options.ReadTimeout, &options.WriteTimeout, &options.PoolTimeout},
	}.set()
	client := redis.NewClient(options)
	client.AddHook(observed{config.Timer})
	return client, nil
}

// common points to the options that the clients of a server and of a cluster share.
type common struct {
	retries, idle *int
	byContext     *bool // the context's deadline ends a wait
	dial          *time.Duration
	answers       []*time.Duration
}

// set makes the client repeat nothing and keep a connection ready. It sets the time-outs
// that the URL does not set.
func (c common) set() {
	*c.retries, *c.byContext, *c.idle = -1, true, max(1, *c.idle)
	*c.dial = cmp.Or(*c.dial, dialTimeout)
	for _, wait := range c.answers {
		*wait = cmp.Or(*wait, answerTimeout)
	}
}

// parse returns the URL without the parameter cluster, and whether it names a cluster.
func (c Config) parse() (u *url.URL, cluster bool, err error) {
	u, err = url.Parse(c.URL)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" && u.Scheme != "unix" {
		return nil, false, ErrURL
	}
	if u.Scheme != "unix" && u.Hostname() == "" { // go-redis would take localhost
		return nil, false, ErrURL
	}
	query := u.Query()
	switch query.Get("cluster") {
	case "", "false":
	case "true":
		cluster = true
	default:
		return nil, false, ErrURL
	}
	query.Del("cluster")
	u.RawQuery = query.Encode()
	return u, cluster || query.Has("addr"), nil
}

// Encrypted returns ErrPlain unless the connections use TLS and verify the server's
// name. A Unix socket needs no TLS.
func (c Config) Encrypted() error {
	u, _, err := c.parse()
	if err != nil {
		return err
	}
	if u.Scheme == "unix" || u.Scheme == "rediss" && !u.Query().Has("skip_verify") {
		return nil
	}
	return ErrPlain
}

// final keeps a cluster's client from repeating a command whose answer was lost. After
// such a loss, and when a node takes no connection, a replica may have taken over. So the
// client asks the cluster where the data is; by itself it asks only once a minute.
type final struct{ cluster *redis.ClusterClient }

// DialHook changes nothing.
func (final) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook makes the loss of an answer final.
func (f final) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := f.conclude(ctx, next(ctx, cmd))
		cmd.SetErr(err)
		return err
	}
}

// ProcessPipelineHook makes the loss of an answer final.
func (f final) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return f.conclude(ctx, next(ctx, cmds)) }
}

// lostError hides the cause from the client, which repeats after the causes it knows.
type lostError struct{ cause string }

func (e lostError) Error() string { return "redis: no answer: " + e.cause }

// conclude turns the loss of an answer into an error that the client passes on. An
// answer of Redis and a connection that was never made stay as they are.
func (f final) conclude(ctx context.Context, err error) error {
	var answer redis.Error
	if err == nil || errors.As(err, &answer) {
		return err
	}
	f.cluster.ReloadState(ctx) // in the background, and at most five times a second
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return err
	}
	return lostError{err.Error()}
}

const (
	tries = 3
	pause = 20 * time.Millisecond
)

// Repeat does the work, and again if its answer was lost, at most three times. The work
// must have the same effect and the same answer when it is repeated.
func Repeat(ctx context.Context, work func() error) error {
	for n := 1; ; n++ {
		err := work()
		var answer redis.Error
		if err == nil || errors.As(err, &answer) || n == tries || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause << n):
		}
	}
}

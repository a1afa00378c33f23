// Command localstack is the whole bank on one machine: every function behind one
// gateway, the relay and broker, PostgreSQL, Redis, the bank-edge simulators and
// a developer page.
//
//	go run ./localstack [--listen 127.0.0.1:8080] [--data DIR] [--fresh] [--aws] [--unsafe]
//
// It uses REDIS_URL if it is set, and with --unsafe also DATABASE_URL. Without them it runs a
// PostgreSQL that it finds on the machine or downloads, with its data in the
// directory. Without REDIS_URL it runs a Redis in memory. After Ctrl-C, calls that
// have begun may finish. It is for development only: the simulators accept anything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8080", "address of the gateway; without a host, 127.0.0.1")
	flag.StringVar(&o.data, "data", ".tidebank", "directory for the database, keys and logs")
	flag.BoolVar(&o.fresh, "fresh", false, "delete all data of earlier runs first")
	flag.BoolVar(&o.aws, "aws", false, "events go by SNS and SQS of an emulator of AWS, which this installs into build/moto")
	flag.BoolVar(&o.unsafe, "unsafe", false,
		"allow a given DATABASE_URL, where the bank writes its demo customers, and other addresses than this machine's")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "The whole bank on one machine.\n\nUsage: go run ./localstack [flags]\n\n")
		flag.PrintDefaults()
		fmt.Fprintf(flag.CommandLine.Output(), "\nEnvironment: DATABASE_URL and REDIS_URL (without them the bank starts its own stores),\n"+
			"FN_BODY_MAX_BYTES, FN_RATE_SCALE, FN_TRUSTED_PROXIES, CHANNEL_LIFE, CHANNEL_UNPROVED, CHANNEL_ANONYMOUS,\n"+
			"CHANNEL_HELLOS_MAX, CHANNEL_HYBRID, APP_MINIMUM, APP_LATEST, APP_DOWNLOAD, SESSION_IDLE, SESSION_BACKGROUND,\n"+
			"SESSION_MOVED, PASSWORD_SEALED_ONLY; see docs/configuration.md.\n")
	}
	flag.Parse()
	o.database = strings.TrimSpace(os.Getenv("DATABASE_URL"))
	if err := o.check(flag.Args()); err != nil {
		fmt.Fprintf(os.Stderr, "tidebank: %v\n\n", err)
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the bank at once
	if err := run(ctx, o); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "tidebank:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	listen, data string
	fresh        bool
	aws          bool
	unsafe       bool
	database     string // DATABASE_URL
}

// check refuses arguments that make no sense. An address without a host listens only
// on this machine, because the simulators accept anything.
func (o *options) check(args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is no flag; all settings are flags or environment", args[0])
	}
	host, port, err := net.SplitHostPort(o.listen)
	if err != nil || port == "" {
		return fmt.Errorf("--listen %q must be host:port or :port", o.listen)
	}
	if host == "" {
		host, o.listen = "127.0.0.1", net.JoinHostPort("127.0.0.1", port)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !o.unsafe {
		return fmt.Errorf("--listen %q can be reached from other machines, and the local bank gives its passwords and "+
			"messages to anyone; listen on 127.0.0.1, or add --unsafe", o.listen)
	}
	if strings.TrimSpace(o.data) == "" {
		return errors.New("--data is empty")
	}
	if o.database != "" && !o.unsafe {
		return errors.New("DATABASE_URL is set, and the local bank would write demo customers with known passwords into that " +
			"database; unset DATABASE_URL, or add --unsafe if nobody needs the database")
	}
	if o.fresh && o.database != "" {
		return errors.New("--fresh would delete the keys, and leave the rows that they seal in the database at DATABASE_URL; " +
			"empty that database yourself, or unset DATABASE_URL")
	}
	return nil
}

// Command demo is a customer of a running local bank (BANK_URL). The customer signs
// up, logs in, transfers money, and reads the messages, events and statement. The
// demo prints each step in Chinese, with its time. It exits with 1 when a result is
// not the expected one.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/tidebank/tidebank/localstack/devapi"
)

func main() {
	base := os.Getenv("BANK_URL")
	if base == "" {
		base = "http://127.0.0.1:8080"
	}
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "终端客户演示。A terminal customer, against a running local bank.\n\n"+
			"Usage: make demo   (environment: BANK_URL, now %s)\n", base)
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	d := &demo{dev: devapi.API{Base: base}, began: time.Now()}
	if err := d.run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "\n✗ 演示失败 (demo failed): %v\n", err)
		cancel()
		stop()
		os.Exit(1)
	}
	fmt.Printf("\n✓ 全部 %d 步符合预期，用时 %v\n", d.steps, time.Since(d.began).Round(time.Millisecond))
}

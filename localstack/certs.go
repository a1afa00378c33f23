package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
)

// startAuthority runs a simulator of the certificate authority, and returns the configuration
// to reach it. Its root is new at each start.
func startAuthority(ctx context.Context, now clock.Clock) (config cert.Config, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return config, nil, fmt.Errorf("certificate authority: %w", err)
	}
	made, err := casim.New(uuid.NewString(), now.Now)
	if err != nil {
		_ = listener.Close() // nobody has connected
		return config, nil, fmt.Errorf("certificate authority: %w", err)
	}
	server := &http.Server{Handler: made, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) //nolint:errcheck // Serve returns after Close
	return made.Config("http://" + listener.Addr().String()), func() { _ = server.Close() }, nil
}

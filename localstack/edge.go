package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/localstack/dev"
	"github.com/tidebank/tidebank/localstack/facesim"
	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/sms"
)

// The simulators' secrets. They protect nothing.
const (
	smsSecret  = "local-sms-secret"
	faceSecret = "local-face-secret"
)

// localPhotos is the age of reference photos that the local bank takes.
var localPhotos = face.Policy{MaxAge: 2 * 365 * 24 * time.Hour}

// edge holds what stands around the bank's functions and workers: simulators, each with the
// configuration to reach it.
type edge struct {
	texts *smssim.Gateway
	sms   sms.Config
	cert  cert.Config
	faces *facesim.Engine
	face  face.Config

	clock *dev.Clock
	parts *parts
	aws   *amazon // nil without --aws
	stops []func()
}

// startEdge runs the simulators.
func startEdge(ctx context.Context, p *parts, now *dev.Clock) (*edge, error) {
	e := &edge{clock: now, parts: p}
	if err := errors.Join(e.startSMS(ctx), e.startAuthority(ctx), e.startFace(ctx)); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (e *edge) stop() {
	for _, stop := range e.stops {
		stop()
	}
}

func (e *edge) startSMS(ctx context.Context) error {
	e.texts = &smssim.Gateway{Secret: smsSecret, Now: e.clock.Now}
	url, err := e.simulate(ctx, e.texts)
	e.sms = sms.Config{URL: url, Secret: smsSecret}
	return err
}

// startAuthority runs a certificate authority. Its root is new at each start.
func (e *edge) startAuthority(ctx context.Context) error {
	made, err := casim.New(uuid.NewString(), e.clock.Now)
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	url, err := e.simulate(ctx, made)
	e.cert = made.Config(url)
	return err
}

func (e *edge) startFace(ctx context.Context) error {
	made, err := facesim.New(faceSecret, e.clock.Now)
	if err != nil {
		return fmt.Errorf("face engine: %w", err)
	}
	url, err := e.simulate(ctx, made)
	e.faces, e.face = made, face.Config{URL: url, Secret: faceSecret, Timeout: 4 * time.Second}
	return err
}

// simulate serves a simulator on a free port of this machine.
func (e *edge) simulate(ctx context.Context, simulator http.Handler) (url string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("simulator: %w", err)
	}
	server := &http.Server{Handler: simulator, ReadHeaderTimeout: time.Minute}
	go server.Serve(listener) //nolint:errcheck // Serve returns after Close
	e.stops = append(e.stops, func() { _ = server.Close() })
	return "http://" + listener.Addr().String(), nil
}

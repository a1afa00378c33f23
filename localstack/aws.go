package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/tidebank/tidebank/infra/aws"
	"github.com/tidebank/tidebank/localstack/emulator"
)

// amazon is the emulated AWS of the local bank, with what the bank needs there.
type amazon struct {
	*emulator.Emulator
	made emulator.Made
}

// startAWS runs the emulator and makes the topic, queues, buckets, secrets and the key. What
// is in them is lost at the bank's end.
func startAWS(ctx context.Context, p *parts, around *edge, output io.Writer) (*amazon, error) {
	program, err := emulator.Install(ctx, filepath.Join("build", "moto"), output)
	if err != nil {
		return nil, err
	}
	running, err := emulator.Start(ctx, program, output)
	if err != nil {
		return nil, err
	}
	made, err := provision(ctx, running, map[string]string{
		"tidebank-redis-url": p.redisURL, "tidebank-sms-url": around.sms.URL,
		"tidebank-sms-secret": around.sms.Secret,
		"tidebank-face-url":   around.face.URL, "tidebank-face-secret": around.face.Secret,
	}, p.databaseURL)
	if err != nil {
		running.Stop()
		return nil, err
	}
	return &amazon{Emulator: running, made: made}, nil
}

// provision makes what the list names. Every process gets the local bank's address of the
// database.
func provision(
	ctx context.Context, running *emulator.Emulator, values map[string]string, databaseURL string,
) (made emulator.Made, err error) {
	list, err := aws.Read()
	if err != nil {
		return made, err
	}
	for _, f := range list.Functions {
		values["tidebank-"+f.Name+"-database-url"] = databaseURL
	}
	config, err := running.Config.SDK()
	if err != nil {
		return made, err
	}
	return emulator.Provision(ctx, config, list, values)
}

// announce tells how to look into the emulator.
func (a *amazon) announce() {
	if a == nil {
		return
	}
	fmt.Printf(`  AWS         %s (emulator; its content ends with the process)
              AWS_ENDPOINT_URL=%s AWS_REGION=%s
              topic %s
              key   %s

`, a.Config.Endpoint, a.Config.Endpoint, a.Config.Region, a.made.Topic, a.made.Key)
}

// Package probe is a customer who tries the bank all the time, from outside, by the
// public client. It tells which function does not answer as it must.
//
//	every PROBE_EVERY           each function gets a harmless request whose answer is known
//	                            the probe reads its balance
//	every PROBE_TRANSFER_EVERY  it transfers 0.01 between its two accounts, and checks both
//	every PROBE_LOGIN_EVERY     it logs in by password and one-time code, and when its login has ended
//
// A harmless request has a field that no function takes, so the function refuses it by
// INPUT_INVALID, sealed, before it does anything. An event function gets an empty batch
// of events. Each result is a value of tidebank_probe_success, by function and step, from
// which availability is computed (docs/observability.md). The probe uses no store of the
// bank, so it also reports when the stores are down. One instance runs: two would end
// each other's logins.
//
// Source: AVAIL-003, AVAIL-006.
package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidebank/tidebank/client"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/sm"
)

// Worker declares the worker. The registry and its main are generated from it.
var Worker = fn.Worker(fn.Spec{
	Name: "business-probe", Summary: "Try every function as a customer", NoDatabase: true, Probes: true,
}, wire)

// Config holds the addresses of the bank, the probe's customer, and the pauses.
type Config struct {
	// URL is the address that customers use.
	URL string `envconfig:"PROBE_URL" required:"true" form:"http" secret:"true"`
	// EventsURL is the address of the event functions inside the platform: the word
	// FUNCTION in it stands for the name. Without this word the name comes after it.
	EventsURL string `envconfig:"PROBE_EVENTS_URL" required:"true" form:"http" secret:"true"`
	// InboxURL lists the texts that the customer's phone has got, as JSON: [{"text": "…"}],
	// the newest first. The probe adds ?phone=<number>.
	InboxURL string `envconfig:"PROBE_INBOX_URL" later:"true" form:"http" secret:"true"`
	// Customer is a customer with two accounts, as JSON (Customer). A new bank has none yet:
	// without this setting the worker waits, and the availability counts as down.
	Customer string `envconfig:"PROBE_CUSTOMER" later:"true" secret:"true"`
	// LeftOut are functions that are not deployed, with commas between them.
	LeftOut       string        `envconfig:"PROBE_LEFT_OUT"`
	Every         time.Duration `envconfig:"PROBE_EVERY" default:"30s" min:"5s" max:"1m"`
	TransferEvery time.Duration `envconfig:"PROBE_TRANSFER_EVERY" default:"15m" min:"1s" max:"1h"`
	LoginEvery    time.Duration `envconfig:"PROBE_LOGIN_EVERY" default:"3h" min:"1s" max:"12h"`
}

// ErrInbox is the reason why a process does not start with a PROBE_INBOX_URL.
var ErrInbox = fmt.Errorf("PROBE_INBOX_URL must begin with https://: %w, since texts hold codes", downstream.ErrClear)

// Encrypted returns ErrInbox unless the texts come encrypted. All else that the probe
// sends is sealed in its channel.
func (c Config) Encrypted() error {
	if c.InboxURL != "" && !strings.HasPrefix(c.InboxURL, "https://") {
		return ErrInbox
	}
	return nil
}

// Customer is the customer as whom the probe tries the bank. The customer has signed up,
// and has bound the device's key.
type Customer struct {
	Phone         string   `json:"phone"`
	LoginPassword string   `json:"login_password"`
	DeviceID      string   `json:"device_id"`
	DeviceKey     []byte   `json:"device_key"` // PKCS#8 in DER, as base64
	Pins          [][]byte `json:"pins"`       // the bank's channel keys: PKIX in DER, as base64
}

// ErrCustomer reports that PROBE_CUSTOMER can't be used. It does not show the value.
var ErrCustomer = errors.New("PROBE_CUSTOMER is not a customer: phone, login_password, device_id, device_key and pins, as JSON")

// errNoInbox is the reason why a process does not start with a customer and no inbox.
var errNoInbox = errors.New("PROBE_CUSTOMER needs PROBE_INBOX_URL")

// answerWithin bounds each request of the probe. The bank answers within 3 s.
const answerWithin = 4 * time.Second

// app makes the customer's app.
func (c Customer) app(url string) (*client.Client, error) {
	device, err := sm.ParsePrivateKey(c.DeviceKey)
	if err != nil || len(c.Pins) == 0 || c.Phone == "" || c.DeviceID == "" {
		return nil, ErrCustomer
	}
	var pins []*sm.PublicKey
	for _, der := range c.Pins {
		pin, err := sm.ParsePublicKey(der)
		if err != nil {
			return nil, ErrCustomer
		}
		pins = append(pins, pin)
	}
	return client.New(client.Config{
		BaseURL: strings.TrimSuffix(url, "/"), DeviceID: c.DeviceID, Device: device, Pinned: pins[0], NextPins: pins[1:],
		HTTP: &http.Client{Timeout: answerWithin}, Tries: 1, // a repetition would hide a failure
	}), nil
}

func wire(_ context.Context, lent *fn.WorkerLent, config Config) (fn.Work, error) {
	switch {
	case config.Customer == "":
		return func(ctx context.Context) { wait(ctx, lent, config.Every) }, nil
	case config.InboxURL == "":
		return nil, errNoInbox
	}
	var who Customer
	if json.Unmarshal([]byte(config.Customer), &who) != nil {
		return nil, ErrCustomer
	}
	p, err := newProber(lent, config, who)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { pg.RunEvery(ctx, lent.Log, "probe", config.Every, p.round) }, nil
}

// wait tells the operator, each round, that the probe has no customer. It makes no result:
// without results the bank counts as down (docs/observability.md).
func wait(ctx context.Context, lent *fn.WorkerLent, every time.Duration) {
	pg.RunEvery(ctx, lent.Log, "probe", every, func(ctx context.Context) error {
		lent.Log.ErrorContext(ctx, "the probe has no customer: set PROBE_CUSTOMER, and start the worker anew")
		return nil
	})
}

func newProber(lent *fn.WorkerLent, config Config, who Customer) (*prober, error) {
	app, err := who.app(config.URL)
	if err != nil {
		return nil, err
	}
	results, err := newResults(lent.Metrics)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return &prober{
		config: config, customer: who, app: app, http: &http.Client{Timeout: answerWithin}, clock: lent.Clock, log: lent.Log,
		results: results, targets: deployed(strings.Split(config.LeftOut, ",")),
	}, nil
}

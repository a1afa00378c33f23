package downstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/events/topic"
	"github.com/tidebank/tidebank/localstack/casim"
	"github.com/tidebank/tidebank/shared/cert"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/downstream"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/redisdb"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
	"github.com/tidebank/tidebank/test/req"
	"github.com/tidebank/tidebank/workers/relay"
)

const secret = "only-for-this-test"

// personal is what the bank may have to tell a partner about a customer: an account number, a
// name, a phone number and an amount.
var personal = []string{"6228480000000000999", "司马小丰", "13907770007", "1234567.89"}

// partner is a system that the bank calls.
type partner struct {
	serve    server
	clear    string            // the scheme of an address without encryption
	secure   string            // and that of one with encryption
	tail     string            // of each address
	settings map[string]string // with ADDRESS in the place of the address
	// call reads the settings of the environment, and sends a customer's data.
	call func(ctx context.Context, t *testing.T) error
}

// setting fills a configuration from the environment, as a process does when it starts.
func setting[C any]() (config C, err error) {
	err = host.Environment(&config)
	return config, err
}

// partners has a line for each system that the bank calls.
func partners(t *testing.T) map[downstream.Name]partner {
	t.Helper()
	roots, err := casim.New(secret, clock.System{}.Now)
	check.Must(t, err)
	all := strings.Join(personal, "|")
	web := partner{serve: serveHTTP, clear: "http", secure: "https"}
	with := func(settings map[string]string, call func(context.Context, *testing.T) error) partner {
		p := web
		p.settings, p.call = settings, call
		return p
	}
	return map[downstream.Name]partner{
		downstream.SMS: with(map[string]string{"SMS_URL": "ADDRESS", "SMS_SECRET": secret}, func(ctx context.Context, _ *testing.T) error {
			config, err := setting[sms.Config]()
			if err != nil {
				return err
			}
			return sms.New(config, clock.System{}).Send(ctx, sms.Message{ID: "1", Phone: personal[2], Text: all})
		}),
		downstream.Voice: with(map[string]string{
			"VOICE_URL": "ADDRESS", "VOICE_SECRET": secret,
		}, func(ctx context.Context, _ *testing.T) error {
			config, err := setting[sms.VoiceConfig]()
			if err != nil {
				return err
			}
			return sms.NewVoice(config, clock.System{}).Send(ctx, sms.Message{ID: "1", Phone: personal[2], Text: all})
		}),
		downstream.Face: with(map[string]string{
			"FACE_URL": "ADDRESS", "FACE_SECRET": secret,
		}, func(ctx context.Context, _ *testing.T) error {
			config, err := setting[face.Config]()
			if err != nil {
				return err
			}
			engine, err := face.New(config, clock.System{}, nil)
			if err == nil {
				_, err = engine.Examine(ctx, face.Request{Capture: []byte(all)})
			}
			return err
		}),
		downstream.Certificates: with(map[string]string{
			"CERT_URL": "ADDRESS", "CERT_SECRET": secret, "CERT_ROOTS": roots.Config("").Trust.Roots,
		}, func(ctx context.Context, _ *testing.T) error {
			config, err := setting[cert.Config]()
			if err != nil {
				return err
			}
			authority, err := cert.NewAuthority(config, clock.System{}, nil)
			if err == nil {
				_, err = authority.Issue(ctx, cert.Application{ID: uuid.New(), DER: []byte(all)})
			}
			return err
		}),
		downstream.Broker: with(map[string]string{
			"AWS_ENDPOINT_URL": "ADDRESS", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "bank", "AWS_SECRET_ACCESS_KEY": secret,
			"SNS_TOPIC_ARN": "arn:aws:sns:eu-central-1:000000000000:events",
		}, func(ctx context.Context, _ *testing.T) error {
			config, err := setting[relay.Config]() // its brokers inside the platform have no certificate
			if err != nil {
				return err
			}
			account, err := config.AWS.SDK()
			if err != nil {
				return err
			}
			event := cloudevent.Event{
				ID: uuid.NewString(), Source: "/tidebank", Type: events.TypeTransferPosted, Time: clock.System{}.Now(),
			}
			if err = event.SetJSON(all); err != nil {
				return err
			}
			return topic.Sink{ARN: config.Topic, SNS: sns.NewFromConfig(account)}.Publish(ctx, []cloudevent.Event{event})[0]
		}),
		downstream.Redis: {
			serve: serveRedis, clear: "redis", secure: "rediss", settings: map[string]string{"REDIS_URL": "ADDRESS"},
			call: func(ctx context.Context, t *testing.T) error {
				t.Helper()
				config, err := setting[redisdb.Config]()
				if err != nil {
					return err
				}
				client, err := redisdb.Open(config)
				if err != nil {
					return err
				}
				t.Cleanup(func() { _ = client.Close() })
				return client.Set(ctx, "key", all, time.Minute).Err()
			},
		},
		downstream.PostgreSQL: {
			serve: servePostgres, clear: "postgres", secure: "postgres", tail: "/bank?sslmode=MODE",
			settings: map[string]string{"DATABASE_URL": "ADDRESS"},
			call: func(ctx context.Context, t *testing.T) error {
				t.Helper()
				config, err := setting[pg.Config]()
				if err != nil {
					return err
				}
				db, err := pg.Open(ctx, config)
				if err != nil {
					return err
				}
				t.Cleanup(db.Close)
				_, err = db.Pool().Exec(ctx, "SELECT '"+all+"'")
				return err
			},
		},
	}
}

// set puts the settings for an address into the environment.
func (p partner) set(t *testing.T, address string, encrypted bool) {
	t.Helper()
	scheme, mode := p.clear, "disable"
	if encrypted {
		scheme, mode = p.secure, "verify-full"
	}
	full := scheme + "://" + address + strings.Replace(p.tail, "MODE", mode, 1)
	t.Setenv("FN_ALLOW_PLAINTEXT", "false")
	for key, value := range p.settings {
		t.Setenv(key, strings.Replace(value, "ADDRESS", full, 1))
	}
}

// shown are the forms of a customer's data that the text holds.
func shown(text string) (found []string) {
	for _, value := range append([]string{strings.Join(personal, "|")}, personal...) {
		for _, form := range keytest.Forms([]byte(value)) {
			if strings.Contains(text, form) {
				found = append(found, form)
			}
		}
	}
	return found
}

// tried calls each partner at an address of a server, and gives the result to judge.
func tried(t *testing.T, made certificate, encrypted bool, judge func(t *testing.T, err error, on *wire)) {
	t.Helper()
	all := partners(t)
	for _, name := range downstream.Names() {
		t.Run(string(name), func(t *testing.T) {
			p, known := all[name]
			if !known {
				t.Fatal("the test does not know this partner: give it a line in partners")
			}
			on := listen(t, p.serve, made)
			p.set(t, on.address, encrypted)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			judge(t, p.call(ctx, t), on)
		})
	}
	if len(all) != len(downstream.Names()) || len(all) < 6 {
		t.Errorf("%d partners have a line, and the bank calls %d", len(all), len(downstream.Names()))
	}
}

// A process with an address without encryption does not start, so that nothing leaves.
func TestNothingLeavesInClear(t *testing.T) { //nolint:paralleltest // it sets the environment
	req.Covers(t, "CRYPTO-010.1")
	tried(t, authority.issue(t, served), false, func(t *testing.T, err error, on *wire) {
		t.Helper()
		if !errors.Is(err, downstream.ErrClear) || !errors.Is(err, host.ErrSetting) {
			t.Errorf("%v, want ErrClear", err)
		}
		if raw, opened := on.seen(); raw != "" || opened != "" {
			t.Errorf("the server got %q", raw)
		}
	})
}

// addresses are settings of which no part judges its own address.
type addresses struct {
	Out    string `envconfig:"TEST_OUT_URL" form:"http"`
	Inside string `envconfig:"TEST_INSIDE_URL" form:"http" inside:"of this test"`
}

// The address of a client that forgets the rule must be encrypted too.
func TestANewClientCanNotForgetTheRule(t *testing.T) {
	req.Covers(t, "CRYPTO-010.1")
	t.Setenv("FN_ALLOW_PLAINTEXT", "false")
	for _, tt := range []struct {
		out, inside string
		clear       bool
	}{
		{"http://bill.example", "", true},
		{"https://bill.example", "", false},
		{"", "http://broker.cluster", false},
	} {
		t.Setenv("TEST_OUT_URL", tt.out)
		t.Setenv("TEST_INSIDE_URL", tt.inside)
		if _, err := setting[addresses](); errors.Is(err, downstream.ErrClear) != tt.clear {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// The bank sends nothing to a server that does not prove its name by a certificate of an
// authority that the machine trusts.
func TestNothingLeavesToAServerThatDoesNotProveItself(t *testing.T) { //nolint:paralleltest // it sets the environment
	req.Covers(t, "CRYPTO-010.2")
	other := newCA(t)
	for name, made := range map[string]certificate{
		"of another authority": other.issue(t, served),
		"for another name":     authority.issue(t, leaf{name: "other.example", until: served.until}),
		"expired":              authority.issue(t, leaf{name: served.name, until: -time.Hour}),
	} {
		t.Run(name, func(t *testing.T) {
			tried(t, made, true, func(t *testing.T, err error, on *wire) {
				t.Helper()
				raw, opened := on.seen()
				if err == nil || opened != "" {
					t.Errorf("%v; the server got %q", err, opened)
				}
				if raw == "" || len(shown(raw)) > 0 {
					t.Errorf("%d bytes were captured, with %q", len(raw), shown(raw))
				}
			})
		})
	}
}

// Who captures the traffic to a partner reads nothing of a customer. The partner itself gets all.
func TestCapturedTrafficShowsNothing(t *testing.T) { //nolint:paralleltest // it sets the environment
	req.Covers(t, "CRYPTO-010.3")
	tried(t, authority.issue(t, served), true, func(t *testing.T, err error, on *wire) {
		t.Helper()
		raw, opened := on.seen()
		if len(shown(opened)) == 0 {
			t.Errorf("the partner got none of the data (%v): %s", err, fmt.Sprintf("%.200q", opened))
		}
		if found := shown(raw); len(raw) < 500 || len(found) > 0 {
			t.Errorf("%d bytes were captured, with %q", len(raw), found)
		}
	})
}

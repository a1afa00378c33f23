package sms_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/peer"
	"github.com/tidebank/tidebank/shared/sms"
	"github.com/tidebank/tidebank/test/check"
)

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, clock.Shanghai)

const secret = "local-secret"

var message = sms.Message{ID: "a", Phone: "13800010001", Text: "【潮汐银行】您好"}

func newGateway(t *testing.T) (gateway *smssim.Gateway, client *sms.HTTP, now *clock.Manual) {
	t.Helper()
	now = clock.NewManual(start)
	gateway = &smssim.Gateway{Secret: secret, Now: clock.NewManual(start).Now}
	server := httptest.NewServer(gateway)
	t.Cleanup(server.Close)
	return gateway, sms.New(sms.Config{URL: server.URL, Secret: secret}, now), now
}

func texts(gateway *smssim.Gateway, number string) []string {
	list := []string{}
	for _, m := range gateway.Inbox(number) {
		list = append(list, m.Text)
	}
	return list
}

// The example of docs/sms-gateway.md, computed with OpenSSL.
func TestSignIsTheDocumentsExample(t *testing.T) {
	t.Parallel()
	const want = "d70a673bd5b799231d33dabb93049b3300e389d684592f65c1311b9570494d86"
	body := []byte(`{"id":"a","phone":"13800010001","text":"x"}`)
	if got := peer.Sign(secret, "1795399200", body); got != want {
		t.Fatalf("Sign = %s, want %s", got, want)
	}
	for _, other := range []string{
		peer.Sign("local-secre", "1795399200", body), peer.Sign(secret, "1795399201", body),
		peer.Sign(secret, "179539920", append([]byte("0"), body...)), peer.Sign(secret, "1795399200", body[1:]),
	} {
		if other == want {
			t.Error("another request has the same signature")
		}
	}
}

func TestSendArrivesOnce(t *testing.T) {
	t.Parallel()
	gateway, client, _ := newGateway(t)
	second := sms.Message{ID: "b", Phone: "13800010002", Text: "第二条"}
	for _, m := range []sms.Message{message, message, second} {
		check.Must(t, client.Send(t.Context(), m))
	}
	if diff := cmp.Diff([]string{second.Text, message.Text}, texts(gateway, "")); diff != "" {
		t.Errorf("all inboxes, newest first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{message.Text}, texts(gateway, message.Phone)); diff != "" {
		t.Errorf("one inbox (-want +got):\n%s", diff)
	}
	other := message
	other.Text = "别的内容"
	if err := client.Send(t.Context(), other); !errors.Is(err, sms.ErrRefused) {
		t.Errorf("another text under a known id: %v, want ErrRefused", err)
	}
}

func TestSendAgainAfterALostAnswerArrivesOnce(t *testing.T) {
	t.Parallel()
	gateway, client, _ := newGateway(t)
	gateway.SetFaults(smssim.Faults{SwallowAnswer: 1})
	if err := client.Send(t.Context(), message); !errors.Is(err, sms.ErrNotAccepted) {
		t.Fatalf("no answer: %v, want ErrNotAccepted", err)
	}
	check.Must(t, client.Send(t.Context(), message))
	if got := texts(gateway, ""); len(got) != 1 {
		t.Fatalf("%d texts arrived, want 1", len(got))
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		faults   smssim.Faults
		refused  int // sends before one is accepted
		arrivals int
	}{
		{"none", smssim.Faults{}, 0, 1},
		{"fail", smssim.Faults{FailNext: 2}, 2, 1},
		{"lose", smssim.Faults{LoseNext: 1}, 0, 0},
		{"duplicate", smssim.Faults{Duplicate: true}, 0, 2},
		{"delay", smssim.Faults{Delay: time.Millisecond}, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			gateway, client, _ := newGateway(t)
			gateway.SetFaults(tt.faults)
			for n := range tt.refused {
				if err := client.Send(t.Context(), message); !errors.Is(err, sms.ErrNotAccepted) {
					t.Fatalf("send %d: %v, want ErrNotAccepted", n, err)
				}
			}
			check.Must(t, client.Send(t.Context(), message))
			if got := len(gateway.Inbox(message.Phone)); got != tt.arrivals {
				t.Fatalf("%d texts arrived, want %d", got, tt.arrivals)
			}
		})
	}
}

func TestGatewayRefuses(t *testing.T) {
	t.Parallel()
	body := `{"id":"a","phone":"13800010001","text":"x"}`
	const at = "1795399200"
	for _, tt := range []struct {
		name, method, path, at, signature, body string
		want                                    int
	}{
		{"good", "POST", "/v1/messages", at, peer.Sign(secret, at, []byte(body)), body, 202},
		{"other secret", "POST", "/v1/messages", at, peer.Sign("x", at, []byte(body)), body, 401},
		{"no signature", "POST", "/v1/messages", at, "", body, 401},
		{"changed body", "POST", "/v1/messages", at, peer.Sign(secret, at, []byte(body)), body + " ", 401},
		{"no time", "POST", "/v1/messages", "", peer.Sign(secret, "", []byte(body)), body, 401},
		{"method", "GET", "/v1/messages", at, peer.Sign(secret, at, nil), "", 405},
		{"path", "POST", "/v2/messages", at, peer.Sign(secret, at, []byte(body)), body, 404},
		{"no JSON", "POST", "/v1/messages", at, peer.Sign(secret, at, []byte("x")), "x", 400},
		{"no id", "POST", "/v1/messages", at, peer.Sign(secret, at, []byte(`{}`)), `{}`, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			seconds := time.Unix(1795399200, 0)
			gateway := &smssim.Gateway{Secret: secret, Now: clock.NewManual(seconds).Now}
			request := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, strings.NewReader(tt.body))
			request.Header.Set(peer.HeaderTimestamp, tt.at)
			request.Header.Set(peer.HeaderSignature, tt.signature)
			answer := httptest.NewRecorder()
			gateway.ServeHTTP(answer, request)
			if answer.Code != tt.want {
				t.Fatalf("status %d, want %d", answer.Code, tt.want)
			}
			if taken := len(gateway.Inbox("")) == 1; taken != (tt.want == http.StatusAccepted) {
				t.Fatalf("taken: %v", taken)
			}
		})
	}
}

func TestOldRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		skew time.Duration
		good bool
	}{{peer.MaxSkew, true}, {peer.MaxSkew + time.Second, false}, {-peer.MaxSkew - time.Second, false}} {
		_, client, now := newGateway(t)
		now.Advance(tt.skew)
		if err := client.Send(t.Context(), message); (err == nil) != tt.good {
			t.Errorf("%v off: %v", tt.skew, err)
		}
	}
}

func TestGatewayDownIsAnErrorThatTellsNoNumber(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := sms.New(sms.Config{URL: server.URL, Secret: secret}, clock.System{}).Send(t.Context(), message)
	if err == nil || strings.Contains(err.Error(), message.Phone) {
		t.Fatalf("a gateway that is down gave %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, client, _ := newGateway(t)
	if err := client.Send(ctx, message); !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled send gave %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("a message went elsewhere: %s", body)
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	err := sms.New(sms.Config{URL: server.URL, Secret: secret}, clock.System{}).Send(t.Context(), message)
	if !errors.Is(err, sms.ErrNotAccepted) {
		t.Fatalf("a redirect gave %v, want ErrNotAccepted", err)
	}
}

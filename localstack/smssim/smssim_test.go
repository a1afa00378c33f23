package smssim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/localstack/smssim"
	"github.com/tidebank/tidebank/shared/peer"
	"github.com/tidebank/tidebank/shared/sms"
)

// How the gateway and the bank's client get on is tested beside the client
// (shared/sms); here is what only the gateway can be asked.

const secret = "secret"

var now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newGateway() *smssim.Gateway {
	return &smssim.Gateway{Secret: secret, Now: func() time.Time { return now }}
}

// send signs a body and sends it.
func send(ctx context.Context, g *smssim.Gateway, body string) int {
	at := strconv.FormatInt(now.Unix(), 10)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/messages", strings.NewReader(body))
	r.Header.Set(peer.HeaderTimestamp, at)
	r.Header.Set(peer.HeaderSignature, peer.Sign(secret, at, []byte(body)))
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Code
}

func message(n int) string {
	body, err := json.Marshal(sms.Message{ID: fmt.Sprint(n), Phone: "13800010001", Text: fmt.Sprint("text ", n)})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestForm(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`{"id":"a","phone":"13800010001","text":"x"}`: 202,
		`{"id":"","phone":"13800010001","text":"x"}`:  400,
		`{"id":"a","phone":"1380001000","text":"x"}`:  400,
		`{"id":"a","phone":"","text":"x"}`:            400,
		`{"id":"a","phone":"13800010001","text":""}`:  400,
		`{"id":"a","phone":"13800010001"}`:            400,
		`[]`:                                          400,
		``:                                            400,
		`{"id":"a","phone":"13800010001","text":"` + strings.Repeat("x", 16<<10) + `"}`: 400,
	} {
		g := newGateway()
		got := send(t.Context(), g, body)
		if taken := len(g.Inbox("")) == 1; got != want || taken != (want == 202) {
			t.Errorf("%.60s: %d, taken: %v; want %d", body, got, taken, want)
		}
	}
}

// The newest thousand texts are kept, newest first.
func TestInboxForgetsTheOldest(t *testing.T) {
	t.Parallel()
	g := newGateway()
	if diff := cmp.Diff([]smssim.Message{}, g.Inbox("")); diff != "" {
		t.Errorf("an empty inbox (-want +got):\n%s", diff)
	}
	for n := range 1002 {
		if got := send(t.Context(), g, message(n)); got != http.StatusAccepted {
			t.Fatalf("message %d: %d", n, got)
		}
	}
	all := g.Inbox("")
	want := smssim.Message{ID: "1001", Phone: "13800010001", Text: "text 1001", At: now}
	if diff := cmp.Diff(want, all[0]); diff != "" || len(all) != 1000 || all[999].ID != "2" {
		t.Errorf("%d texts, the last %+v; the first (-want +got):\n%s", len(all), all[len(all)-1], diff)
	}
	// An id is remembered for longer than its text.
	if got := send(t.Context(), g, message(0)); got != http.StatusAccepted || g.Inbox("")[0].ID != "1001" {
		t.Errorf("sent again: %d, and the newest is %+v", got, g.Inbox("")[0])
	}
}

func TestFaultsEndAndCombine(t *testing.T) {
	t.Parallel()
	g := newGateway()
	g.SetFaults(smssim.Faults{FailNext: 1, SwallowAnswer: 1, LoseNext: 1})
	var got []int
	for range 3 {
		got = append(got, send(t.Context(), g, message(1)))
	}
	// Failed and not taken; taken, lost and unanswered; known already.
	if diff := cmp.Diff([]int{503, 502, 202}, got); diff != "" || len(g.Inbox("")) != 0 {
		t.Errorf("%d arrived; answers (-want +got):\n%s", len(g.Inbox("")), diff)
	}
	g.SetFaults(smssim.Faults{FailNext: 5})
	g.SetFaults(smssim.Faults{})
	if status := send(t.Context(), g, message(2)); status != http.StatusAccepted || len(g.Inbox("")) != 1 {
		t.Errorf("faults that were taken back: %d", status)
	}
}

// An impatient client gets nothing, and leaves nothing.
func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway()
		g.SetFaults(smssim.Faults{Delay: time.Minute})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		send(ctx, g, message(1))
		if waited := time.Since(began); waited != time.Second || len(g.Inbox("")) != 0 {
			t.Errorf("left after %v; %d arrived", waited, len(g.Inbox("")))
		}
		if got := send(t.Context(), g, message(1)); got != http.StatusAccepted || time.Since(began) != time.Minute+time.Second {
			t.Errorf("%d after %v", got, time.Since(began))
		}
	})
}

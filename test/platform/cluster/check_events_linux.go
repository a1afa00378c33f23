package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/tidebank/tidebank/functions"
)

// texts orders faults of the SMS simulator.
func texts(ctx context.Context, fail ...string) error {
	body, err := json.Marshal(map[string]any{"sms": map[string]any{"fail": fail}})
	if err != nil {
		return err
	}
	return post(ctx, http.DefaultClient, bankURL+"/dev/faults", string(body), nil, http.StatusOK)
}

// post posts a text and returns an error unless it is answered with the status.
func post(ctx context.Context, by *http.Client, url, body string, header http.Header, want int) error {
	status, text, err := send(ctx, by, url, body, header)
	if err == nil && status != want {
		err = fmt.Errorf("%s answered %d, want %d: %s", url, status, want, text)
	}
	return err
}

func send(ctx context.Context, by *http.Client, url, body string, header http.Header) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Host = header.Get("Host")
	resp, err := by.Do(req)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // it is read
	return resp.StatusCode, last(string(text), 1), err
}

const (
	sqlPosted = `-- outbox.posted
SELECT id::text FROM outbox WHERE type = 'com.tidebank.transfer.posted.v1' AND data->>'transfer_id' = $1`
	sqlTaken = `-- event_consumed.exists
SELECT EXISTS (SELECT 1 FROM event_consumed WHERE id = $1 AND consumer = $2)`
	sqlLetters = `-- dead_letter.count
SELECT count(*), count(*) FILTER (WHERE consumer = $2) FROM dead_letter WHERE event_id::text = $1`
)

// posted is the id of a transfer's event.
func (l *lab) posted(ctx context.Context, transfer string) (id string, err error) {
	err = until(ctx, time.Minute, "the transfer has its event", func() (bool, error) {
		err := l.db.QueryRow(ctx, sqlPosted, transfer).Scan(&id)
		return err == nil, err
	})
	return id, err
}

// paid pays as a customer, and returns the id of the transfer's event.
func (l *lab) paid(ctx context.Context, c *customer) (id string, err error) {
	made, err := c.pay(ctx)
	if err != nil {
		return "", err
	}
	return l.posted(ctx, made.TransferID.String())
}

// taken waits until a consumer has recorded an event.
func (l *lab) taken(ctx context.Context, id, consumer string, wait time.Duration) error {
	return until(ctx, wait, consumer+" has taken the event", func() (yes bool, err error) {
		err = l.db.QueryRow(ctx, sqlTaken, id, consumer).Scan(&yes)
		return yes, err
	})
}

// failing makes one consumer fail for one customer: the SMS gateway refuses the number
// for a while. The other consumers get the event; the failed one becomes a dead letter
// once; its replay succeeds.
func failing(ctx context.Context, l *lab) error {
	c, err := newCustomer(ctx, 0, 5, newCounts())
	if err != nil {
		return err
	}
	other, err := newCustomer(ctx, 1, 5, newCounts())
	if err != nil {
		return err
	}
	if err := texts(ctx, c.Phone); err != nil {
		return err
	}
	defer texts(context.WithoutCancel(ctx)) //nolint:errcheck // the next check would say so
	id, err := l.paid(ctx, c)
	if err != nil {
		return err
	}
	const failed = "notify-on-transfer"
	for _, consumer := range []string{"audit-on-event", "fraud-on-transfer"} {
		if err := l.taken(ctx, id, consumer, 30*time.Second); err != nil {
			return fmt.Errorf("while another consumer fails: %w", err)
		}
	}
	if err := l.othersPass(ctx, other); err != nil {
		return err
	}
	var all, letters int
	err = until(ctx, 3*time.Minute, "the event is a dead letter", func() (bool, error) {
		err := l.db.QueryRow(ctx, sqlLetters, id, failed).Scan(&all, &letters)
		return letters > 0, err
	})
	if err != nil {
		return err
	}
	if all != 1 || letters != 1 {
		return fmt.Errorf("%d dead letters of the event, %d of %s; want one", all, letters, failed)
	}
	return l.replayed(ctx, id, failed)
}

// othersPass pays as another customer while a consumer fails.
func (l *lab) othersPass(ctx context.Context, c *customer) error {
	id, err := l.paid(ctx, c)
	if err != nil {
		return err
	}
	if err := l.taken(ctx, id, "notify-on-transfer", 30*time.Second); err != nil {
		return fmt.Errorf("another customer's event waits for a failing consumer: %w", err)
	}
	return nil
}

// replayed mends the cause and replays the dead letter, as an operator does.
func (l *lab) replayed(ctx context.Context, id, consumer string) error {
	listed, err := l.tide(ctx, "events", "list", "--dead")
	if err != nil {
		return err
	}
	if strings.Count(listed, id) != 1 || !strings.Contains(listed, consumer) {
		return fmt.Errorf("tide lists the dead letter %d times: %s", strings.Count(listed, id), last(listed, 3))
	}
	if err := texts(ctx); err != nil {
		return err
	}
	_, err = l.tide(ctx, "events", "replay", "--dead", "--id", id, "--reason", "the SMS gateway is back", "--operator", "test")
	if err != nil {
		return err
	}
	if err := l.taken(ctx, id, consumer, time.Minute); err != nil {
		return fmt.Errorf("after the replay: %w", err)
	}
	if listed, err = l.tide(ctx, "events", "list", "--dead"); err == nil && strings.Contains(listed, id) {
		err = fmt.Errorf("after the replay it is still a dead letter: %s", last(listed, 2))
	}
	return err
}

// tide runs the operator's command.
func (l *lab) tide(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, l.program("bank/tide"), args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL="+ownerURL, "KEYS_FILE="+l.keys(), "FN_ALLOW_PLAINTEXT=true")
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("tide %s: %w: %s", strings.Join(args, " "), err, last(problem.String(), 2))
	}
	return out.String(), nil
}

// forgedEvent are the headers of an event that the bank has not made.
func forgedEvent() http.Header {
	return http.Header{
		"Ce-Specversion": {"1.0"}, "Ce-Id": {"019ab0f2-4c00-7d2e-9a61-000000000001"}, "Ce-Source": {"/tidebank"},
		"Ce-Type": {"com.tidebank.transfer.posted.v1"}, "Ce-Time": {time.Now().UTC().Format(time.RFC3339)},
		"Content-Type": {"application/json"}, "Ce-Tidebankmac": {"AAAA"},
	}
}

// forged sends an invented event on each way: from outside, as another pod to the broker
// without and with a token, and to an event function itself.
func forged(ctx context.Context, l *lab) error {
	for _, s := range functions.Subscriptions() {
		if err := post(ctx, http.DefaultClient, bankURL+"/function/"+s.Consumer, "{}", forgedEvent(), http.StatusNotFound); err != nil {
			return fmt.Errorf("from outside: %w", err)
		}
	}
	var broker struct {
		Status struct {
			Address struct{ URL, Audience string }
		}
	}
	if err := l.get(ctx, &broker, "-n", namespace, "broker", "tidebank"); err != nil {
		return err
	}
	at := broker.Status.Address
	if at.Audience == "" {
		return fmt.Errorf("the broker asks for no identity: %+v", at)
	}
	if err := post(ctx, http.DefaultClient, at.URL, "{}", forgedEvent(), http.StatusUnauthorized); err != nil {
		return fmt.Errorf("a pod without a token: %w", err)
	}
	for _, account := range []string{"default", "audit-on-event"} {
		token, err := l.kubectl(ctx, "", "-n", namespace, "create", "token", account, "--audience="+at.Audience)
		if err != nil {
			return err
		}
		header := forgedEvent()
		header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
		if err := post(ctx, http.DefaultClient, at.URL, "{}", header, http.StatusForbidden); err != nil {
			return fmt.Errorf("a pod of the account %s: %w", account, err)
		}
	}
	for _, s := range functions.Subscriptions() {
		header := forgedEvent()
		header.Set("Host", s.Consumer+"."+namespace+".svc.cluster.local")
		if err := post(ctx, http.DefaultClient, "http://"+edge+":8089/", "{}", header, http.StatusBadRequest); err != nil {
			return fmt.Errorf("to a function itself: %w", err)
		}
	}
	return nil
}

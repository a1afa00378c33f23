package broker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/events/broker"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
)

// keep writes an event's row into the outbox, published as a relay would have.
func (d *fixture) keep(t *testing.T, e event, data string, published bool) {
	t.Helper()
	check.Exec(t, d.Pool(), `
INSERT INTO outbox (id, type, subject, customerhash, data, created_at, published_at)
VALUES ($1, $2, $3, '', $4, $5, CASE WHEN $6 THEN now() END)`, e.ID, e.Type, e.Subject, data, e.Time, published)
}

func list(t *testing.T, d *fixture, subject string, dead bool, limit int) []broker.Row {
	t.Helper()
	rows, err := d.broker(t).List(t.Context(), subject, dead, limit)
	check.Must(t, err)
	return rows
}

func TestList(t *testing.T) {
	t.Parallel()
	d := newFixture(t, func(consumer, subject string) (int, error) {
		if consumer == "fraud-on-transfer" && subject == "transfer-2" {
			return 422, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	names := map[string]string{}
	var batch []event
	for _, tt := range []struct{ kind, subject, data string }{
		{threeHear, "transfer-1", `{"transfer_id": "transfer-1"}`},
		{oneHears, "login-1", `{}`},
		{threeHear, "transfer-2", `{"transfer_id": "transfer-2"}`},
		{"com.tidebank.access.recorded.v1", "transfer-get", `{"transfer_id": "transfer-1"}`},
	} {
		e := d.event(t, tt.kind, tt.subject)
		d.keep(t, e, tt.data, true)
		names[e.ID] = tt.subject
		batch = append(batch, e)
	}
	publish(t, b, batch...)
	bank.Background(t, b.Run)
	check.UntilCount(t, 0, d.Pool(), countIn, "due")
	waiting := d.event(t, oneHears, "not published yet")
	d.keep(t, waiting, `{}`, false)
	names[waiting.ID] = waiting.Subject

	for name, tt := range map[string]struct {
		subject string
		dead    bool
		limit   int
		want    []string
	}{
		"all, newest first":         {"", false, 10, []string{"not published yet", "transfer-get", "transfer-2", "login-1", "transfer-1"}},
		"the newest":                {"", false, 2, []string{"not published yet", "transfer-get"}},
		"a subject":                 {"login-1", false, 10, []string{"login-1"}},
		"all about a transfer":      {"transfer-1", false, 10, []string{"transfer-get", "transfer-1"}},
		"dead letters":              {"", true, 10, []string{"transfer-2"}},
		"dead letters of a subject": {"transfer-2", true, 10, []string{"transfer-2"}},
		"one without dead letters":  {"transfer-1", true, 10, nil},
		"an unknown subject":        {"transfer-3", false, 10, nil},
		"SQL":                       {"' OR true --", false, 10, nil},
		"a pattern":                 {"transfer-%", false, 10, nil},
		"none":                      {"", false, 0, nil},
		"one dead letter":           {"", true, 1, []string{"transfer-2"}},
	} {
		var got []string
		for _, row := range list(t, d, tt.subject, tt.dead, tt.limit) {
			got = append(got, names[row.ID])
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestListShowsTheEventAndItsDeliveries(t *testing.T) {
	t.Parallel()
	d := newFixture(t, func(consumer, _ string) (int, error) {
		if consumer == "fraud-on-transfer" {
			return 422, nil
		}
		return 202, nil
	})
	b := d.broker(t)
	e, waiting := d.event(t, threeHear, "transfer-1"), d.event(t, oneHears, "login-1")
	d.keep(t, e, `{"amount_fen": 12}`, true)
	d.keep(t, waiting, `{}`, false)
	publish(t, b, e)
	bank.Background(t, b.Run)
	check.UntilCount(t, 0, d.Pool(), countIn, "due")
	row := list(t, d, "transfer-1", false, 10)[0]
	if row.PublishedAt == nil || !row.CreatedAt.Equal(e.Time) {
		t.Errorf("created at %v, want %v, and published at %v", row.CreatedAt, e.Time, row.PublishedAt)
	}
	row.CreatedAt, row.PublishedAt = row.CreatedAt.UTC(), nil
	deliveries := string(row.Deliveries)
	row.Deliveries = nil
	want := broker.Row{ID: e.ID, Type: threeHear, Subject: "transfer-1", Data: []byte(`{"amount_fen": 12}`), CreatedAt: e.Time}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var got []struct {
		outcome
		Consumer string `json:"consumer"`
	}
	check.Must(t, json.NewDecoder(strings.NewReader(deliveries)).Decode(&got))
	for i, want := range []string{"audit-on-event", "fraud-on-transfer", "notify-on-transfer"} {
		answer := outcome{"done", 1, ""}
		if want == "fraud-on-transfer" {
			answer = outcome{"dead", 1, "answered 422"}
		}
		if len(got) != subscribers || got[i].Consumer != want || got[i].outcome != answer {
			t.Errorf("%s: %s", want, deliveries)
		}
	}
	row = list(t, d, "login-1", false, 10)[0]
	if row.PublishedAt != nil || string(row.Deliveries) != "[]" {
		t.Errorf("one that waits was published at %v, to %s", row.PublishedAt, row.Deliveries)
	}
}

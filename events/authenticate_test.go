package events_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/cloudevent"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/keytest"
)

// stored is an outbox row; PostgreSQL prints white space into its JSON.
func stored() events.Stored {
	return events.Stored{
		ID: "019ab0f2-4c00-7d2e-9a61-5f0c2b7e8d14", Type: events.TypeTransferPosted, Subject: "transfer-1",
		CustomerHash: "bd86d988df236586", Data: []byte(`{"amount_fen": 9007199254740993, "own": false, "payee_masked": "*四"}`),
		Traceparent: "00-00000000000000000000000000000001-0000000000000002-01",
		CreatedAt:   time.Date(2026, 11, 23, 2, 0, 0, 123456000, time.UTC),
	}
}

func cloudEvent(t *testing.T, ring *keys.Ring, s events.Stored) cloudevent.Event {
	t.Helper()
	e, err := s.CloudEvent(ring)
	check.Must(t, err)
	return e
}

func TestCloudEventIsTheRow(t *testing.T) {
	t.Parallel()
	s := stored()
	e := cloudEvent(t, keytest.New(t), s)
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	got := events.Stored{
		ID: e.ID, Type: e.Type, Subject: e.Subject, CustomerHash: e.Extensions["customerhash"],
		Traceparent: e.Extensions["traceparent"], CreatedAt: e.Time, Data: s.Data,
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("the row changes on its way (-row +event):\n%s", diff)
	}
	var want bytes.Buffer
	check.Must(t, json.Compact(&want, s.Data))
	if diff := cmp.Diff(want.String(), string(e.Data)); diff != "" {
		t.Errorf("the data changes on its way:\n%s", diff)
	}
	if e.Source != "//tidebank" || e.DataContentType != "application/json" {
		t.Errorf("%v", e)
	}
	s.CustomerHash, s.Traceparent = "", ""
	extensions := cloudEvent(t, keytest.New(t), s).Extensions
	if extensions["customerhash"] != "" || extensions["traceparent"] != "" || len(extensions) != 2 {
		t.Errorf("an event without a customer has %v", extensions)
	}
	s.Data = []byte("{")
	if _, err := s.CloudEvent(keytest.New(t)); err == nil {
		t.Error("data that is no JSON became an event")
	}
}

// The MAC holds in both modes, with any white space that a hop removes or adds.
func TestTheMACHoldsAcrossHops(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	e := cloudEvent(t, ring, stored())
	structured := check.JSON(t, e)
	var spaced bytes.Buffer
	check.Must(t, json.Indent(&spaced, structured, "\t", "   "))
	hops := map[string]cloudevent.Event{"none": e}
	for name, text := range map[string][]byte{"structured": structured, "structured and spaced": spaced.Bytes()} {
		var got cloudevent.Event
		check.Must(t, json.Unmarshal(text, &got))
		hops[name] = got
	}
	binary, err := cloudevent.NewRequest(t.Context(), "http://127.0.0.1/", e)
	check.Must(t, err)
	hops["binary"], err = cloudevent.FromHTTP(binary.Header, e.Data)
	check.Must(t, err)
	hops["as PostgreSQL prints it"] = withData(e, stored().Data)
	hops["another order of fields"] = withData(e, []byte(`{"payee_masked":"\u002a四","own":false,"amount_fen":9007199254740993}`))
	for name, event := range hops {
		if err := events.Verify(ring, event); err != nil {
			t.Errorf("%s: %v\n%v", name, err, event)
		}
	}
}

func withData(e cloudevent.Event, data []byte) cloudevent.Event {
	changed := e.Clone()
	changed.Data = data
	return changed
}

// mac is the MAC as docs/events.md defines it, of data without white space and
// with its fields in order.
func mac(ring *keys.Ring, p keys.Purpose, e cloudevent.Event) string {
	customer := e.Extensions["customerhash"]
	sum, _ := ring.MAC(p, []byte(e.ID), []byte(e.Type), []byte(e.Source), []byte(e.Subject),
		[]byte(e.Time.UTC().Format(time.RFC3339Nano)), []byte(customer), sm.Digest(e.Data))
	return hex.EncodeToString(sum)
}

func TestTheMACCoversEachAttribute(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	for name, change := range map[string]func(*cloudevent.Event){
		"id":              func(e *cloudevent.Event) { e.ID = "019ab0f2-4c00-7d2e-9a61-5f0c2b7e8d15" },
		"type":            func(e *cloudevent.Event) { e.Type = events.TypeFraudScored },
		"source":          func(e *cloudevent.Event) { e.Source = "//tidebank/x" },
		"subject":         func(e *cloudevent.Event) { e.Subject = "transfer-2" },
		"no subject":      func(e *cloudevent.Event) { e.Subject = "" },
		"no data":         func(e *cloudevent.Event) { e.Data = nil },
		"no MAC":          func(e *cloudevent.Event) { delete(e.Extensions, "tidebankmac") },
		"empty MAC":       func(e *cloudevent.Event) { e.SetExtension("tidebankmac", "") },
		"short MAC":       func(e *cloudevent.Event) { e.SetExtension("tidebankmac", e.Extensions["tidebankmac"][:32]) },
		"a MAC of zeroes": func(e *cloudevent.Event) { e.SetExtension("tidebankmac", string(bytes.Repeat([]byte("0"), 64))) },
		"no hex":          func(e *cloudevent.Event) { e.SetExtension("tidebankmac", "no MAC") },
		"a number":        func(e *cloudevent.Event) { e.SetExtension("tidebankmac", "1") },
		"no key":          func(e *cloudevent.Event) { e.SetExtension("tidebankkey", "-") },
		"another key":     func(e *cloudevent.Event) { e.SetExtension("tidebankkey", "event-2") },
		"another purpose": func(e *cloudevent.Event) { e.SetExtension("tidebankkey", "audit-1") },
		// The parts must not run into each other.
		"type into id": func(e *cloudevent.Event) {
			e.ID = e.ID + e.Type[:1]
			e.Type = e.Type[1:]
		},
		"subject into source": func(e *cloudevent.Event) {
			e.Source = e.Source + e.Subject[:1]
			e.Subject = e.Subject[1:]
		},
		"the MAC of another event": func(e *cloudevent.Event) {
			other := stored()
			other.Subject = "transfer-2"
			e.SetExtension("tidebankmac", cloudEvent(t, ring, other).Extensions["tidebankmac"])
		},
		"the MAC of another purpose": func(e *cloudevent.Event) {
			e.SetExtension("tidebankmac", mac(ring, keys.Audit, *e))
		},
	} {
		e := cloudEvent(t, ring, stored())
		change(&e)
		if err := events.Verify(ring, e); !errors.Is(err, events.ErrForged) {
			t.Errorf("%s: %v, want %v", name, err, events.ErrForged)
		}
	}
	e := cloudEvent(t, ring, stored())
	if got := e.Extensions["tidebankmac"]; got != mac(ring, keys.Event, e) {
		t.Errorf("authenticated by %s, want %s", got, mac(ring, keys.Event, e))
	}
	if err := events.Verify(keytest.New(t), e); !errors.Is(err, events.ErrForged) {
		t.Errorf("another bank's event: %v", err)
	}
}

func TestSealBreaksWithEachByteOfData(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	e := cloudEvent(t, ring, stored())
	broken := func(at int, how string, data []byte) {
		if err := events.Verify(ring, withData(e, data)); !errors.Is(err, events.ErrForged) {
			t.Errorf("%s at %d: %v: %s", how, at, err, data)
		}
	}
	for at := range e.Data {
		for bit := range 8 {
			flipped := bytes.Clone(e.Data)
			flipped[at] ^= 1 << bit
			broken(at, "flipped", flipped)
		}
		broken(at, "cut off", e.Data[:at])
		broken(at, "left out", append(bytes.Clone(e.Data[:at]), e.Data[at+1:]...))
		broken(at, "put in", append(append(bytes.Clone(e.Data[:at]), 'x'), e.Data[at:]...))
	}
}

// A number is what it is written as: floating point would take this one for its
// neighbour.
func TestSealTellsLargeNumbersApart(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	e := cloudEvent(t, ring, stored())
	near := bytes.Replace(e.Data, []byte("9007199254740993"), []byte("9007199254740992"), 1)
	if err := events.Verify(ring, withData(e, near)); !errors.Is(err, events.ErrForged) {
		t.Errorf("%s passes: %v", near, err)
	}
}

// Events that were on their way when the key was changed still arrive.
func TestSealOutlivesItsKeysTurn(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	open := func() *keys.Ring {
		ring, err := keys.Open(context.Background(), keys.Config{File: file}, keys.Event)
		check.Must(t, err)
		return ring
	}
	check.Must(t, keys.Create(file))
	before := open()
	raw, err := os.ReadFile(file)
	check.Must(t, err)
	var content struct {
		Root        []byte              `json:"root"`
		Secrets     map[string][][]byte `json:"secrets"`
		Pairs       map[string][]byte   `json:"pairs"`
		Certificate []byte              `json:"certificate"`
	}
	check.Must(t, json.Unmarshal(raw, &content))
	fresh, err := sm.Seal(sm.Key(content.Root), bytes.Repeat([]byte{7}, 48), []byte(keys.Event))
	check.Must(t, err)
	content.Secrets["event"] = append(content.Secrets["event"], fresh)
	raw, err = json.Marshal(content)
	check.Must(t, err)
	check.Must(t, os.WriteFile(file, raw, 0o600))
	after := open()
	early, late := cloudEvent(t, before, stored()), cloudEvent(t, after, stored())
	for name, e := range map[string]cloudevent.Event{"event-1": early, "event-2": late} {
		if err := events.Verify(after, e); err != nil || e.Extensions["tidebankkey"] != name {
			t.Errorf("%s: %v, authenticated with %v", name, err, e.Extensions["tidebankkey"])
		}
	}
	if err := events.Verify(before, late); err != nil {
		t.Errorf("a process that has not read the new key yet: %v", err)
	}
}

// A process that did not declare the purpose is at fault, not the event.
func TestVerifyWithoutItsKey(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	err := events.Verify(ring.Only(), cloudEvent(t, ring, stored()))
	if !errors.Is(err, keys.ErrPurpose) || errors.Is(err, events.ErrForged) {
		t.Errorf("%v, want ErrPurpose", err)
	}
}

func TestCustomerHash(t *testing.T) {
	t.Parallel()
	if got := events.CustomerHash(uuid.Nil); got != "" {
		t.Errorf("nobody has %q", got)
	}
	// Pinned: a customer's partition must be the same in each release.
	for id, want := range map[string]string{
		"01936000-0000-7000-8000-000000000001": "bd86d988df236586",
		"01936000-0000-7000-8000-000000000002": "777dd519ef7b3b6e",
	} {
		if got := events.CustomerHash(uuid.MustParse(id)); got != want {
			t.Errorf("%s has %q, want %q", id, got, want)
		}
	}
}

func TestSealBreaksWithWhatIsAdded(t *testing.T) {
	t.Parallel()
	ring := keytest.New(t)
	e := cloudEvent(t, ring, stored())
	for _, data := range []string{string(e.Data) + "x", string(e.Data) + `{"own":true}`} {
		if err := events.Verify(ring, withData(e, []byte(data))); !errors.Is(err, events.ErrForged) {
			t.Errorf("%v: %s", err, data)
		}
	}
	e.Time = e.Time.Add(-time.Hour)
	if err := events.Verify(ring, e); !errors.Is(err, events.ErrForged) {
		t.Errorf("another time: %v", err)
	}
	e = cloudEvent(t, ring, stored())
	e.SetExtension("customerhash", "c0ffee")
	if err := events.Verify(ring, e); !errors.Is(err, events.ErrForged) {
		t.Errorf("another customer: %v", err)
	}
}

package bank

import (
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidebank/tidebank/test/check"
)

var traceMember = regexp.MustCompile(`"trace":\s*"[0-9a-f]{32}"`)

// Untraced is a text without the ids of traces, which differ from call to call.
func Untraced(text string) string { return traceMember.ReplaceAllString(text, "") }

// WantSame fails the test unless two replies differ in nothing but their traces.
func WantSame(t testing.TB, name string, got, want Reply) {
	t.Helper()
	diff := cmp.Diff(Untraced(string(want.Body)), Untraced(string(got.Body)))
	if diff != "" || got.Status != want.Status {
		t.Errorf("%s: status %d, want %d; body (-want +got):\n%s", name, got.Status, want.Status, diff)
	}
}

// Won counts the good replies. Each other reply must be the problem.
func Won(t testing.TB, replies []Reply, code string) (won int) {
	t.Helper()
	for _, r := range replies {
		if r.Code == "" {
			won++
		} else {
			r.Want(t, code)
		}
	}
	return won
}

// Told are the data of the events of a type that the bank has written so far.
func Told[T any](t testing.TB, b *Bank, eventType string) (list []T) {
	t.Helper()
	for _, e := range b.Outbox(t, eventType) {
		var data T
		check.Must(t, json.Unmarshal(e.Data, &data))
		list = append(list, data)
	}
	return list
}

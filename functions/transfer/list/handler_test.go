package list_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions/transfer"
	transferlist "github.com/tidebank/tidebank/functions/transfer/list"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

type fixture struct{ bank.Pair }

func newFixture(t *testing.T) fixture {
	t.Helper()
	return fixture{bank.NewPair(t, 1_000_00)}
}

// move carries out so many transfers, each with an amount of its own, two of them
// at each instant; it returns their ids, newest first.
func (w fixture) move(t *testing.T, count int) []uuid.UUID {
	t.Helper()
	ids := make([]uuid.UUID, 0, count)
	for i := range count {
		in := w.Prepare(t, w.ToOwn(money.Fen(i+1)))
		var view transfer.View
		w.Confirm(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{w.Signed(t, in)}}).Into(t, &view)
		ids = append(ids, view.TransferID)
		if i%2 == 1 {
			w.Advance(time.Second)
		}
	}
	slices.Reverse(ids)
	return ids
}

func (w fixture) page(t *testing.T, cursor string, limit int) transferlist.Response {
	t.Helper()
	var got transferlist.Response
	w.Phone.Call(t, transferlist.Function, "", transferlist.Request{Cursor: cursor, Limit: limit}).Into(t, &got)
	return got
}

func ids(page transferlist.Response) []uuid.UUID {
	list := []uuid.UUID{}
	for _, view := range page.Transfers {
		list = append(list, view.TransferID)
	}
	return list
}

// walk reads all pages.
func (w fixture) walk(t *testing.T, limit int) (all []uuid.UUID, sizes []int) {
	t.Helper()
	for cursor := ""; ; {
		page := w.page(t, cursor, limit)
		all, sizes = append(all, ids(page)...), append(sizes, len(page.Transfers))
		if cursor = page.NextCursor; cursor == "" {
			return all, sizes
		}
		if len(sizes) > 100 {
			t.Fatal("the pages do not end")
		}
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	want := w.move(t, 21)
	for _, tt := range []struct {
		limit int
		sizes []int
	}{
		{0, []int{20, 1}}, {20, []int{20, 1}}, {21, []int{21}}, {7, []int{7, 7, 7}}, {100, []int{21}}, {8, []int{8, 8, 5}},
	} {
		got, sizes := w.walk(t, tt.limit)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", tt.limit, diff)
		}
		if diff := cmp.Diff(tt.sizes, sizes); diff != "" {
			t.Errorf("sizes of pages of %d (-want +got):\n%s", tt.limit, diff)
		}
	}
	if got, _ := w.walk(t, 1); !cmp.Equal(got, want) { // through pairs of one instant
		t.Errorf("pages of 1: %v, want %v", got, want)
	}
	// A transfer between two pages shifts nothing.
	first := w.page(t, "", 5)
	newest := w.move(t, 1)
	second := w.page(t, first.NextCursor, 100)
	if diff := cmp.Diff(want, append(ids(first), ids(second)...)); diff != "" {
		t.Errorf("with a transfer in between (-want +got):\n%s", diff)
	}
	if got := w.page(t, "", 1); got.Transfers[0].TransferID != newest[0] {
		t.Errorf("the newest is %s, want %s", got.Transfers[0].TransferID, newest[0])
	}
}

func TestNoTransfersAreAnEmptyList(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	reply := w.Phone.Call(t, transferlist.Function, "", struct{}{})
	if reply.Want(t, ""); string(reply.Body) != `{"transfers":[],"next_cursor":""}` {
		t.Errorf("got %s", reply.Body)
	}
}

// A cursor selects among the caller's own, whosever it was.
func TestOthersTransfersAreNotListed(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	w.move(t, 3)
	mine := w.page(t, "", 1)
	stranger := w.Device(t, "phone-of-li")
	stranger.LoginAs(t, w.Payee)
	for _, cursor := range []string{"", mine.NextCursor} {
		var got transferlist.Response
		stranger.Call(t, transferlist.Function, "", transferlist.Request{Cursor: cursor}).Into(t, &got)
		if len(got.Transfers) != 0 || got.NextCursor != "" {
			t.Errorf("a stranger got %+v", got)
		}
	}
	for _, view := range mine.Transfers {
		if view.PayeeNameMasked != "**明" || !strings.Contains(view.PayeeAccountMasked, "*****") || view.Amount != 3 {
			t.Errorf("got %+v", view)
		}
	}
}

func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	w := newFixture(t)
	encode := base64.RawURLEncoding.EncodeToString
	late := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, make([]byte, 16)...)
	for _, tt := range []struct{ name, body, field, want string }{
		{"limit 100", `{"limit":100}`, "", ""},
		{"limit 101", `{"limit":101}`, "limit", "INPUT_INVALID"},
		{"limit -1", `{"limit":-1}`, "limit", "INPUT_INVALID"},
		{"limit 1.5", `{"limit":1.5}`, "limit", "INPUT_INVALID"},
		{"limit as text", `{"limit":"1"}`, "limit", "INPUT_INVALID"},
		{"a cursor that is none", `{"cursor":"x"}`, "cursor", "INPUT_INVALID"},
		{"a short cursor", `{"cursor":"` + encode(make([]byte, 23)) + `"}`, "cursor", "INPUT_INVALID"},
		{"a long cursor", `{"cursor":"` + encode(make([]byte, 25)) + `"}`, "cursor", "INPUT_INVALID"},
		{"a cursor out of time", `{"cursor":"` + encode(late) + `"}`, "cursor", "INPUT_INVALID"},
		{"a cursor before all time", `{"cursor":"` + encode(make([]byte, 24)) + `"}`, "", ""},
		{"SQL", `{"cursor":"' OR 1=1 --"}`, "cursor", "INPUT_INVALID"},
		{"another customer", `{"customer_id":"x"}`, "customer_id", "INPUT_INVALID"},
		{"nothing", `null`, "request", "INPUT_INVALID"},
	} {
		got := w.Phone.Call(t, transferlist.Function, "", json.RawMessage(tt.body))
		if got.Code != tt.want || got.Problem.Field != tt.field {
			t.Errorf("%s: %q of %q, want %q of %q", tt.name, got.Code, got.Problem.Field, tt.want, tt.field)
		}
	}
	w.Device(t, "stranger").Call(t, transferlist.Function, "", struct{}{}).Want(t, "SESSION_REQUIRED")
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	d := b.Device(t, "phone-of-wang")
	check.Must(t, b.Host.Sessions.Start(t.Context(), d.Channel, uuid.New()))
	d.Call(t, transferlist.Function, "", struct{}{}).Want(t, "SERVICE_UNAVAILABLE")
}

package functions_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"go/ast"
	"go/types"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// personal are the data by which the test's customers are known, in clear.
func (j *journey) personal() []string {
	list := []string{"13907770007", "6228480000000000999"} // in the customer's own memo
	for _, c := range []seed.Customer{j.Payer, j.Payee} {
		list = append(list, c.Name, c.Phone, c.IDNo)
		for _, a := range c.Accounts {
			list = append(list, a.No)
		}
	}
	return list
}

// secret are the passwords, which identify a customer.
var secret = []string{bank.LoginPassword, bank.TradePassword, bank.CardPassword}

// readable are the values that the text holds in clear, or in an encoding without a
// key.
func readable(text string, values ...string) []string {
	var found []string
	for _, v := range values {
		raw := []byte(v)
		if bank.Shows(text, v) || strings.Contains(text, hex.EncodeToString(raw)) ||
			strings.Contains(text, base64.StdEncoding.EncodeToString(raw)) {
			found = append(found, v)
		}
	}
	return found
}

// nothingReadable fails the test if the place shows one of the values. It also fails
// if the search does not find a value that is there.
func nothingReadable(t *testing.T, place, text, known string, values ...string) {
	t.Helper()
	if !strings.Contains(text, known) {
		t.Errorf("the search of the %s does not find %q", place, known)
	}
	for _, form := range []string{known, hex.EncodeToString([]byte(known)), base64.StdEncoding.EncodeToString([]byte(known))} {
		if len(readable(form, known)) != 1 {
			t.Errorf("the search would not find %q", form)
		}
	}
	if len(values) < 8 {
		t.Errorf("only %d values are searched for", len(values))
	}
	for _, v := range readable(text, values...) {
		at := strings.Index(text, v)
		t.Errorf("the %s shows %q: …%q…", place, v, text[max(0, at-60):min(len(text), max(0, at)+60)])
	}
}

// One customer uses every function. Then the test searches everything that the bank
// keeps, publishes and sends for the customers' names, phone, identity and account
// numbers, and for their passwords.
func TestNothingOfACustomerIsReadable(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-008.1", "CRYPTO-012.1", "CRYPTO-019.1", "CRYPTO-019.2", "CRYPTO-019.3")
	j := newJourney(t)
	j.travel(t)
	j.wander(t)
	all := append(j.personal(), secret...)
	nothingReadable(t, "broker", strings.Join(j.told, "\n"), "com.tidebank.transfer.posted.v1", all...)
	nothingReadable(t, "cache", j.Cached(t), j.Phone.ID, all...)
	nothingReadable(t, "traffic to the database", j.queries.String(), "INSERT INTO outbox", all...)
	nothingReadable(t, "database", j.Stored(t), "司马小丰"[len("司马小"):], all...)
	nothingReadable(t, "log", j.Log.String(), "SESSION_REQUIRED", all...)
	shown := []string{"123.45", "amount_fen", "transfer_id", "proofs", "****", "房租"}
	nothingReadable(t, "wire", j.wire.String(), "no-store", append(all, shown...)...)
}

// wander makes calls that are refused, so that refusals are seen too.
func (j *journey) wander(t *testing.T) {
	t.Helper()
	refused := 0
	for name, request := range j.sent {
		f := functest.Named(t, name)
		if f.Spec.Audience != fn.Customer {
			continue
		}
		j.Phone.Send(t, f, j.Phone.Frame(t, f, "again", request)).Want(t, "SESSION_REQUIRED")
		refused++
	}
	if refused < 9 {
		t.Fatalf("only %d functions were called again", refused)
	}
}

// No function writes a file, so that nothing of a customer rests in one. The key
// file, which the provider of keys makes, holds keys.
func TestFunctionsWriteNoFiles(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-019.3")
	writers := regexp.MustCompile(`^(os|ioutil)\.(Create|CreateTemp|WriteFile|OpenFile|Mkdir|MkdirAll|MkdirTemp|TempFile)$`)
	files, parts := maps.Clone(sources(t)), regexp.MustCompile(`^\.\./(functions|shared|events)/`)
	maps.DeleteFunc(files, func(path string, _ *ast.File) bool {
		return !parts.MatchString(path) || strings.HasPrefix(path, "../shared/keys/")
	})
	if len(files) < 60 {
		t.Fatalf("only %d files were read", len(files))
	}
	inspect(files, func(path string, n ast.Node) {
		if call, ok := n.(*ast.CallExpr); ok && writers.MatchString(types.ExprString(call.Fun)) {
			t.Errorf("%s calls %s", path, types.ExprString(call.Fun))
		}
	})
}

// A value that was changed on its way or at rest does not open, and has no effect.
func TestAlteredEventsAndCachedKeysAreNotUsed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-019.4", "CRYPTO-022.1")
	j := newJourney(t)
	before := j.Stored(t)
	tried := 0
	for _, f := range functions.All() {
		for _, kind := range f.Spec.Consumes {
			e := j.Event(t, "0190c3a0-0000-7000-8000-00000000000"+string(rune('a'+tried%6)), kind, "x", dataOf(t, kind))
			var fields map[string]any
			check.Must(t, json.Unmarshal(e.Data, &fields))
			for name, value := range fields {
				changed := maps.Clone(fields)
				if changed[name] = "other"; value == "other" {
					changed[name] = "another"
				}
				altered := e.Clone()
				check.Must(t, altered.SetJSON(changed))
				if got := j.Deliver(t, f, altered); got != http.StatusBadRequest {
					t.Errorf("%s answered %d to a %s with another %s", f.Spec.Name, got, kind, name)
				}
				tried++
			}
		}
	}
	if tried < 40 {
		t.Fatalf("only %d altered events were tried", tried)
	}
	if j.Stored(t) != before || len(j.sms.Inbox("")) != 0 {
		t.Error("an altered event had an effect")
	}
	captcha := functest.Named(t, "captcha-issue")
	sealed := 0
	for bit := range 8 {
		fresh := j.Device(t, "phone-of-li")
		key := "{" + hex.EncodeToString(fresh.Channel[:]) + "}:channel"
		kept := []byte(j.Redis.HGet(key, "keys"))
		if len(kept) < 32 {
			t.Fatalf("the cache holds %d bytes of keys", len(kept))
		}
		changed := bytes.Clone(kept)
		changed[len(kept)*bit/8] ^= 1 << bit
		j.Redis.HSet(key, "keys", string(changed))
		fresh.Send(t, captcha, fresh.Frame(t, captcha, "", struct{}{})).Want(t, "CHANNEL_EXPIRED")
		j.Redis.HSet(key, "keys", string(kept))
		fresh.Call(t, captcha, "", struct{}{}).Want(t, "")
		sealed++
	}
	if sealed != 8 {
		t.Errorf("%d altered keys were tried", sealed)
	}
}

// dataOf is the zero data of an event type.
func dataOf(t *testing.T, kind string) any {
	t.Helper()
	for _, k := range events.Catalogue() {
		if k.Type == kind {
			return k.Data
		}
	}
	t.Fatalf("no event %s", kind)
	return nil
}

// The bank refuses a field that no request lists, and keeps its value nowhere.
func TestUnlistedFieldsAreKeptNowhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PRIV-001.3")
	j := newJourney(t)
	j.travel(t)
	j.await(t)
	const value = "hobby-of-the-customer"
	refused := 0
	for name, sent := range j.sent {
		f := functest.Named(t, name)
		var request map[string]any
		check.Must(t, json.Unmarshal(sent, &request))
		request["hobby"] = value
		body := check.JSON(t, request)
		if !f.Spec.NoChannel {
			body = j.Phone.Frame(t, f, "hobby", request)
		}
		j.Phone.Send(t, f, body).Want(t, "INPUT_INVALID")
		refused++
	}
	j.deliver(t)
	if refused < 15 {
		t.Fatalf("only %d functions were called", refused)
	}
	for place, text := range map[string]string{
		"database": j.Stored(t), "cache": j.Cached(t), "log": j.Log.String(), "broker": strings.Join(j.told, "\n"),
		"traffic to the database": j.queries.String(),
	} {
		if len(text) < 500 || len(readable(text, value)) > 0 {
			t.Errorf("the %s (%d bytes) holds the field", place, len(text))
		}
	}
}

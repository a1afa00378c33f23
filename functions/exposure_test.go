package functions_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"go/ast"
	"go/types"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

// personal are the data by which the test's customers are known, in clear.
func (j *journey) personal() []string {
	list := []string{"13977770007", "6222020000000000999"} // in the customer's own memo
	for _, c := range []seed.Customer{j.wang, j.li} {
		list = append(list, c.Name, c.Phone, c.IDNo)
		for _, a := range c.Accounts {
			list = append(list, a.No)
		}
	}
	return list
}

// secret are the data that prove who a customer is.
var secret = []string{bank.LoginPassword, bank.TradePassword, bank.CardPassword}

// chance is what may hold any six digits by chance: ids and times.
var chance = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32,}|\d{4}-\d\d-\d\d[T ][0-9:.]+`)

// readable are the values which stand in the text: as they are, or in a plain
// encoding that needs no key.
func readable(text string, values ...string) []string {
	digits := chance.ReplaceAllString(text, "")
	var found []string
	for _, v := range values {
		raw, within := []byte(v), text
		if len(v) == 6 {
			within = digits
		}
		if strings.Contains(within, v) || strings.Contains(text, hex.EncodeToString(raw)) ||
			strings.Contains(text, base64.StdEncoding.EncodeToString(raw)) {
			found = append(found, v)
		}
	}
	return found
}

// nothingReadable fails the test if the place shows one of the values, and if the
// search would not find what is there.
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

// One customer uses every function; then everything that the bank keeps, tells
// itself and sends is searched for what is known of the customers. "Personal" here
// are names, phone, identity and account numbers; the codes and passwords come on
// top where they are sensitive.
func TestNothingOfACustomerIsReadable(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-008.1", "CRYPTO-012.1", "CRYPTO-019.1", "CRYPTO-019.2", "CRYPTO-019.3")
	j := newJourney(t)
	j.travel(t)
	j.wander(t)
	all := append(j.personal(), secret...)
	nothingReadable(t, "broker", strings.Join(j.told, "\n"), "com.tidebank.transfer.posted.v1", all...)
	nothingReadable(t, "cache", j.cache(t), j.phone.ID, all...)
	nothingReadable(t, "traffic to the database", j.queries.String(), "INSERT INTO outbox", all...)
	nothingReadable(t, "database", j.database(t), "司马小丰"[len("司马小"):], all...)
	nothingReadable(t, "log", j.Log.String(), "SESSION_REQUIRED", all...)
	shown := []string{"123.45", "amount_fen", "transfer_id", "proofs", "**", "房租"}
	nothingReadable(t, "wire", j.wire.String(), "no-store", append(all, shown...)...)
}

// wander makes calls that are refused, so that refusals are seen too.
func (j *journey) wander(t *testing.T) {
	t.Helper()
	refused := 0
	for name, request := range j.sent {
		f := byName(t, name)
		if f.Spec.Audience != fn.Customer {
			continue
		}
		j.try(t, f, j.phone.Frame(t, f, "again", request)).Want(t, "SESSION_REQUIRED")
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
	seen := 0
	for path, file := range sources(t) {
		if !strings.HasPrefix(path, "../functions/") && !strings.HasPrefix(path, "../shared/") && !strings.HasPrefix(path, "../events/") ||
			strings.HasPrefix(path, "../shared/keys/") || strings.HasPrefix(path, "../test/pgtest/") {
			continue
		}
		seen++
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && writers.MatchString(types.ExprString(call.Fun)) {
				t.Errorf("%s calls %s", path, types.ExprString(call.Fun))
			}
			return true
		})
	}
	if seen < 60 {
		t.Fatalf("only %d files were read", seen)
	}
}

// What was changed on its way or at rest does not open, and has no effect.
func TestAlteredEventsAndCachedKeysAreNotUsed(t *testing.T) {
	t.Parallel()
	req.Covers(t, "CRYPTO-019.4", "CRYPTO-022.1")
	j := newJourney(t)
	before := j.database(t)
	tried := 0
	for _, f := range functions.All() {
		for _, kind := range f.Spec.Consumes {
			e := j.Event(t, "0190c3a0-0000-7000-8000-00000000000"+string(rune('a'+tried%6)), kind, "x", dataOf(t, kind))
			var fields map[string]any
			if err := json.Unmarshal(e.Data(), &fields); err != nil {
				t.Fatal(err)
			}
			for name, value := range fields {
				changed := map[string]any{}
				for n, v := range fields {
					changed[n] = v
				}
				if changed[name] = "other"; value == "other" {
					changed[name] = "another"
				}
				altered := e.Clone()
				if err := altered.SetData(cloudevents.ApplicationJSON, changed); err != nil {
					t.Fatal(err)
				}
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
	if j.database(t) != before || len(j.gateway.Inbox("")) != 0 {
		t.Error("an altered event had an effect")
	}
	captcha := byName(t, "captcha-issue")
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

// eachText calls visit with every field of a JSON text that holds a text.
func eachText(t *testing.T, body []byte, visit func(field, text string)) {
	t.Helper()
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatal(err)
	}
	var walk func(name string, value any)
	walk = func(name string, value any) {
		switch v := value.(type) {
		case string:
			visit(name, v)
		case []any:
			for _, one := range v {
				walk(name, one)
			}
		case map[string]any:
			for field, one := range v {
				walk(field, one)
			}
		}
	}
	walk("", value)
}

// Every answer of every function shows names, phone, identity and account numbers
// by the one rule for each, and nothing of them in full.
func TestAnswersAreMaskedByOneRule(t *testing.T) {
	t.Parallel()
	req.Covers(t, "MASK-002.1", "MASK-004.1", "MASK-008.1")
	j := newJourney(t)
	j.travel(t)
	forms := map[string][]string{}
	for _, c := range []seed.Customer{j.wang, j.li} {
		forms["name"] = append(forms["name"], mask.Name(c.Name))
		forms["phone"] = append(forms["phone"], mask.Phone(c.Phone))
		forms["id_no"] = append(forms["id_no"], mask.IDNo(c.IDNo))
		for _, a := range c.Accounts {
			forms["account"] = append(forms["account"], mask.Account(a.No))
		}
	}
	forms["number"] = forms["account"]
	rule := regexp.MustCompile(`(name|phone|id_no|account|number)_masked$`)
	masked := map[string]int{}
	for name, answers := range j.good {
		for _, answer := range answers {
			if found := readable(string(answer.Body), j.personal()...); len(found) > 0 {
				t.Errorf("%s answers with %q in full: %s", name, found, answer.Body)
			}
			eachText(t, answer.Body, func(field, text string) {
				kind := rule.FindStringSubmatch(field)
				if kind == nil {
					return
				}
				masked[kind[1]]++
				if !slices.Contains(forms[kind[1]], text) {
					t.Errorf("%s answers with %s %q, want one of %q", name, field, text, forms[kind[1]])
				}
			})
		}
	}
	for _, kind := range []string{"name", "phone", "id_no", "account", "number"} {
		if masked[kind] == 0 {
			t.Errorf("no masked %s was seen in %v", kind, masked)
		}
	}
	for name, want := range map[string]string{
		"transfer-get": "电话139****0007", "transfer-list": "电话139****0007", "account-statement": mask.Name(j.li.Name) + " " + mask.Account(j.li.Accounts[0].No),
		"message-list": mask.Name(j.li.Name), "transfer-prepare": mask.Account(j.wang.Accounts[0].No),
	} {
		if !strings.Contains(string(j.good[name][0].Body), want) {
			t.Errorf("%s does not show %q: %s", name, want, j.good[name][0].Body)
		}
	}
}

// The payee of a transfer is masked in what comes before it and after it, and no
// function answers a phone or account number with another person's name.
func TestNobodyLearnsAnothersName(t *testing.T) {
	t.Parallel()
	req.Covers(t, "MASK-005.1", "MASK-005.2")
	j := newJourney(t)
	j.travel(t)
	for _, name := range []string{"transfer-prepare", "transfer-confirm", "transfer-get", "transfer-list", "account-statement", "message-list"} {
		body := string(j.good[name][0].Body)
		if !strings.Contains(body, mask.Name(j.li.Name)) || !strings.Contains(body, mask.Account(j.li.Accounts[0].No)) {
			t.Errorf("%s does not show the payee: %s", name, body)
		}
		if found := readable(body, j.li.Name, j.li.Phone, j.li.Accounts[0].No); len(found) > 0 {
			t.Errorf("%s shows %q: %s", name, found, body)
		}
	}
	j.openChannel(t)
	if err := j.Host.Sessions.Start(t.Context(), j.phone.Channel, j.wang.ID); err != nil {
		t.Fatal(err)
	}
	identifies := regexp.MustCompile(`phone|_no$|number`)
	tried := map[string]bool{}
	for _, f := range functions.All() {
		if isEvent(f) || !slices.ContainsFunc(fields(f.Request), identifies.MatchString) {
			continue
		}
		var request map[string]any
		if err := json.Unmarshal(j.sent[f.Spec.Name], &request); err != nil {
			t.Fatal(err)
		}
		if f.Spec.Name == "otp-send" {
			request = map[string]any{"purpose": "login"}
		}
		for _, field := range fields(f.Request) {
			switch {
			case strings.Contains(field, "phone"):
				request[field] = j.li.Phone
			case field == "payee_account_no" || field == "card_no":
				request[field] = j.li.Accounts[0].No
			case field == "payee_name" || field == "name":
				request[field] = "诸葛小亮"
			}
		}
		j.Advance(2 * 60e9)
		answer := j.try(t, f, j.phone.Frame(t, f, "names", request))
		if found := readable(string(answer.Body), j.li.Name, mask.Name(j.li.Name)); len(found) > 0 {
			t.Errorf("%s answers %s", f.Spec.Name, answer.Body)
		}
		tried[f.Spec.Name] = true
	}
	if len(tried) < 4 || !tried["transfer-prepare"] || !tried["otp-send"] {
		t.Errorf("only %v were asked", tried)
	}
}

// No answer holds a password or PIN in any form: as it is, sealed as it came, or
// hashed as it is kept; nor a card's verification value or expiry, which the bank
// neither takes nor keeps.
func TestNoAnswerHoldsAPassword(t *testing.T) {
	t.Parallel()
	req.Covers(t, "MASK-003.1")
	req.Covers(t, "INPUT-013.3")
	j := newJourney(t)
	j.travel(t)
	values := slices.Clone(secret)
	for _, sent := range j.sent { // the passwords as they were sealed
		eachText(t, sent, func(field, text string) {
			if strings.Contains(field, "password") && text != "" {
				values = append(values, text)
			}
		})
	}
	rows, err := rowsOf(t.Context(), j, `
SELECT login_password FROM credential UNION SELECT trade_password FROM credential
 UNION SELECT card_password FROM account WHERE card_password <> ''`)
	if err != nil || len(rows) < 4 {
		t.Fatalf("%d stored passwords: %v", len(rows), err)
	}
	for _, stored := range rows {
		parts := strings.Split(stored, "$")
		values = append(values, stored, parts[len(parts)-1])
	}
	if len(values) < 3+5+8 {
		t.Fatalf("only %d forms are searched for", len(values))
	}
	form := regexp.MustCompile(`(?i)cvn|cvv|expir.*(card|month|year)|(card|month|year).*expir|passw|\bpin\b|_pin|secret`)
	member := regexp.MustCompile(`"([^"]+)"\s*:`)
	seen := 0
	for name, answers := range j.good {
		for _, answer := range answers {
			seen++
			if got := inner.Find(answer.Body); got != nil && name != "captcha-issue" { // a picture may look like anything
				t.Errorf("%s answers with %s", name, got)
			}
			if found := readable(string(answer.Body), values...); len(found) > 0 {
				t.Errorf("%s answers with %q", name, found)
			}
			for _, field := range member.FindAllStringSubmatch(string(answer.Body), -1) {
				// The key that passwords are sealed to is public.
				if form.MatchString(field[1]) && field[1] != "password_key" {
					t.Errorf("%s answers with %s", name, field[1])
				}
			}
		}
	}
	if seen < 17 {
		t.Fatalf("only %d answers were seen", seen)
	}
}

// Whoever is not logged in learns nothing of any customer: public functions have no
// place for it, and an ended session gets the refusal alone.
func TestStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "MASK-001.1", "MASK-001.2")
	public := map[string]bool{ // fields of public answers, none of which tells of a person's data or money
		"version": true, "channel_id": true, "server_key": true, "server_random": true, "certificate": true, "password_key": true,
		"expires_in_s": true, "signature": true, "captcha_id": true, "image_png": true, "resend_in_s": true, "registered": true,
		"last_login_at": true, "last_login_device": true,
	}
	seen := 0
	for _, f := range functions.All() {
		if isEvent(f) || f.Spec.Audience != fn.Public {
			continue
		}
		if len(f.Spec.Personal) > 0 {
			t.Errorf("%s declares personal fields %v", f.Spec.Name, f.Spec.Personal)
		}
		for _, field := range fields(f.Response) {
			seen++
			if !public[field] {
				t.Errorf("%s answers strangers with %s", f.Spec.Name, field)
			}
		}
	}
	if seen < 14 {
		t.Fatalf("only %d fields were read", seen)
	}
	j := newJourney(t)
	j.travel(t)
	members := []string{"type", "status", "code", "title", "detail", "trace"}
	for name, request := range j.sent {
		f := byName(t, name)
		if f.Spec.Audience == fn.Public {
			for _, answer := range j.good[name] {
				if found := readable(string(answer.Body), append(j.personal(), mask.Name(j.wang.Name), mask.Phone(j.wang.Phone))...); len(found) > 0 {
					t.Errorf("%s tells strangers %q", name, found)
				}
			}
			continue
		}
		answer := j.try(t, f, j.phone.Frame(t, f, "again", request)) // the journey ended with a logout
		answer.Want(t, "SESSION_REQUIRED")
		eachText(t, answer.Body, func(field, text string) {
			if !slices.Contains(members, field) || len(readable(text, append(j.personal(), mask.Name(j.wang.Name))...)) > 0 {
				t.Errorf("%s answers an ended session with %s %q", name, field, text)
			}
		})
	}
}

// No cache may keep an answer, good or bad.
func TestAnswersAreNotStored(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-006.1")
	j := newJourney(t)
	j.travel(t)
	for name, answers := range j.good {
		f := byName(t, name)
		refused := j.try(t, f, j.phone.Frame(t, f, "", []any{}))
		if refused.Code == "" {
			t.Errorf("%s took a list", name)
		}
		for _, answer := range append(answers, refused) {
			if got := answer.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("%s answered with Cache-Control %q", name, got)
			}
		}
	}
}

// A field that no request lists is refused, and what it held is kept nowhere.
func TestUnlistedFieldsAreKeptNowhere(t *testing.T) {
	t.Parallel()
	req.Covers(t, "PRIV-001.3")
	j := newJourney(t)
	j.travel(t)
	j.await(t)
	const value = "hobby-of-the-customer"
	refused := 0
	for name, sent := range j.sent {
		f := byName(t, name)
		var request map[string]any
		if err := json.Unmarshal(sent, &request); err != nil {
			t.Fatal(err)
		}
		request["hobby"] = value
		body, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		if !f.Spec.NoChannel {
			body = j.phone.Frame(t, f, "hobby", request)
		}
		j.try(t, f, body).Want(t, "INPUT_INVALID")
		refused++
	}
	j.deliver(t)
	if refused < 15 {
		t.Fatalf("only %d functions were called", refused)
	}
	for place, text := range map[string]string{
		"database": j.database(t), "cache": j.cache(t), "log": j.Log.String(), "broker": strings.Join(j.told, "\n"),
		"traffic to the database": j.queries.String(),
	} {
		if len(text) < 500 || len(readable(text, value)) > 0 {
			t.Errorf("the %s (%d bytes) holds the field", place, len(text))
		}
	}
}

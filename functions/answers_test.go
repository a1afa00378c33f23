package functions_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/localstack/seed"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// eachText calls visit with every field of a JSON text that holds a text.
func eachText(t *testing.T, body []byte, visit func(field, text string)) {
	t.Helper()
	var value any
	check.Must(t, json.Unmarshal(body, &value))
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
	for _, c := range []seed.Customer{j.Payer, j.Payee} {
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
		"transfer-get": "电话139****0007", "transfer-list": "电话139****0007",
		"account-statement": mask.Name(j.Payee.Name) + " " + mask.Account(j.Payee.Accounts[0].No),
		"message-list":      mask.Name(j.Payee.Name), "transfer-prepare": mask.Account(j.Payer.Accounts[0].No),
	} {
		if !strings.Contains(string(j.good[name][0].Body), want) {
			t.Errorf("%s does not show %q: %s", name, want, j.good[name][0].Body)
		}
	}
}

// All answers before and after a transfer mask its payee. No function answers a phone
// or account number with another person's name.
func TestNobodyLearnsAnothersName(t *testing.T) {
	t.Parallel()
	req.Covers(t, "MASK-005.1", "MASK-005.2")
	j := newJourney(t)
	j.travel(t)
	for _, name := range []string{
		"transfer-prepare", "transfer-confirm", "transfer-get", "transfer-list", "account-statement", "message-list",
	} {
		body := string(j.good[name][0].Body)
		if !strings.Contains(body, mask.Name(j.Payee.Name)) || !strings.Contains(body, mask.Account(j.Payee.Accounts[0].No)) {
			t.Errorf("%s does not show the payee: %s", name, body)
		}
		if found := readable(body, j.Payee.Name, j.Payee.Phone, j.Payee.Accounts[0].No); len(found) > 0 {
			t.Errorf("%s shows %q: %s", name, found, body)
		}
	}
	j.openSession(t)
	identifies := regexp.MustCompile(`phone|_no$|number`)
	tried := map[string]bool{}
	for _, f := range functions.All() {
		if isEvent(f) || !slices.ContainsFunc(fields(f.Request), identifies.MatchString) {
			continue
		}
		var request map[string]any
		check.Must(t, json.Unmarshal(j.sent[f.Spec.Name], &request))
		if f.Spec.Name == "otp-send" {
			request = map[string]any{"purpose": "login"}
		}
		for _, field := range fields(f.Request) {
			switch {
			case strings.Contains(field, "phone"):
				request[field] = j.Payee.Phone
			case field == "payee_account_no" || field == "card_no":
				request[field] = j.Payee.Accounts[0].No
			case field == "payee_name" || field == "name":
				request[field] = "诸葛小亮"
			}
		}
		j.Advance(2 * 60e9)
		answer := j.Phone.Send(t, f, j.Phone.Frame(t, f, "names", request))
		if found := readable(string(answer.Body), j.Payee.Name, mask.Name(j.Payee.Name)); len(found) > 0 {
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
	rows := check.Column[string](t, j.Host.DB.Pool(), `
SELECT login_password FROM credential UNION SELECT trade_password FROM credential
 UNION SELECT card_password FROM account WHERE card_password <> ''`)
	if len(rows) < 4 {
		t.Fatalf("%d stored passwords", len(rows))
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
	random := regexp.MustCompile(`"(server_key|server_random|certificate|password_key|signature|kem_ciphertext|digest|channel_id|` +
		`image_png)":"[^"]*"`)
	seen := 0
	for name, answers := range j.good {
		for _, answer := range answers {
			seen++
			// Keys, signatures, digests and pictures are random bytes, whose base64 may look like anything.
			text := random.ReplaceAll(answer.Body, nil)
			if got := inner.Find(text); got != nil {
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

// A caller who is not logged in learns nothing of any customer: answers of public
// functions have no field for it, and an ended session gets only the refusal.
func TestStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "MASK-001.1", "MASK-001.2")
	public := map[string]bool{ // fields of public answers, none of which tells of a person's data or money
		"version": true, "channel_id": true, "server_key": true, "server_random": true, "certificate": true, "password_key": true,
		"expires_in_s": true, "signature": true, "captcha_id": true, "image_png": true, "resend_in_s": true, "registered": true,
		"reset": true, "last_login_at": true, "last_login_device": true, "last_login_verified": true, "last_login_place": true,
		"must_change":  true,
		"device_bound": true, "platform": true, "latest": true, "minimum": true, "download_url": true, "issued_at": true,
		"certificates": true, "state": true, "public_key": true, "challenge": true, "expires_at": true, "api_version": true,
		"kem_ciphertext": true,
		"environment":    true, "warnings": true, "finding": true, "action": true, "advice": true, "transfer_disabled": true,
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
	personal := append(j.personal(), mask.Name(j.Payer.Name), mask.Phone(j.Payer.Phone))
	for name, request := range j.sent {
		f := functest.Named(t, name)
		if f.Spec.Audience == fn.Public {
			for _, answer := range j.good[name] {
				if found := readable(string(answer.Body), personal...); len(found) > 0 {
					t.Errorf("%s tells strangers %q", name, found)
				}
			}
			continue
		}
		answer := j.Phone.Send(t, f, j.Phone.Frame(t, f, "again", request)) // the journey ended with a logout
		answer.Want(t, "SESSION_REQUIRED")
		eachText(t, answer.Body, func(field, text string) {
			if !slices.Contains(members, field) || len(readable(text, append(j.personal(), mask.Name(j.Payer.Name))...)) > 0 {
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
		f := functest.Named(t, name)
		refused := j.Phone.Send(t, f, j.Phone.Frame(t, f, "", []any{}))
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

package flow_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidebank/tidebank/docs"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// against reports where an answer departs from the published schema of its status.
func against(doc *openapi3.T, name string, status int, body []byte) error {
	published := doc.Paths.Value("/function/" + name).Post.Responses.Value(strconv.Itoa(status))
	if published == nil {
		return strconv.ErrRange
	}
	media := "application/json"
	if status != 200 {
		media = "application/problem+json"
	}
	var answer any
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	return published.Value.Content.Get(media).Schema.Value.VisitJSON(answer, openapi3.EnableFormatValidation())
}

// TestEveryAnswerIsPublished gets from every function a good answer and refusals of
// every stage, and holds each against the published schema of its status.
func TestEveryAnswerIsPublished(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-011.1", "LOGIC-011.2")
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	check.Must(t, err)
	p := newFixture(t)
	good := p.good(t)
	nobody := p.Device(t, "phone-of-nobody")
	if len(good) != len(served(t)) {
		t.Fatalf("%d of %d functions have a good request", len(good), len(served(t)))
	}
	codes := map[string]bool{}
	for _, name := range logoutLast(good) {
		f := functest.Named(t, name)
		for what, reply := range p.refusals(t, f, nobody, good[name]) {
			if reply.Code == "" {
				t.Errorf("%s: %s is not refused", name, what)
			}
			codes[reply.Code] = true
			if err := against(doc, name, reply.Status, reply.Body); err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		p.calm(t)
		reply := call(t, p.wang.phone, name, good[name])
		reply.Want(t, "")
		if err := against(doc, name, reply.Status, reply.Body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// One field more is against the schema, in a good answer and in a refusal.
		for status, body := range map[int][]byte{reply.Status: reply.Body, 400: p.wang.phone.Send(t, f, []byte("x")).Body} {
			more := strings.Replace(string(body), "{", `{"one_more":1,`, 1)
			more = strings.Replace(more, ",}", "}", 1)
			if err := against(doc, name, status, []byte(more)); err == nil {
				t.Errorf("%s: an answer of %d with one field more passes", name, status)
			}
		}
	}
	if len(good) < 15 || len(codes) < 8 {
		t.Fatalf("only %d functions and the refusals %v were walked", len(good), codes)
	}
}

// refusals are a function's answers to requests that stages of every kind refuse.
func (p fixture) refusals(t *testing.T, f fn.Function, nobody *bank.Device, good fields) map[string]bank.Reply {
	t.Helper()
	name := f.Spec.Name
	answers := map[string]bank.Reply{
		"no frame":        p.wang.phone.Send(t, f, []byte("x")),
		"too large":       p.wang.phone.Send(t, f, make([]byte, p.Host.Limits.BodyBytes+1)),
		"an unknown name": call(t, p.wang.phone, name, with(good, "no_such_field", 1)),
	}
	if f.Spec.NoChannel {
		return answers
	}
	frame := p.wang.phone.Frame(t, f, "key", with(good, "no_such_field", 1))
	p.wang.phone.Send(t, f, frame)
	answers["a replay"] = p.wang.phone.Send(t, f, frame)
	if !slices.Contains(public, name) {
		answers["nobody"] = call(t, nobody, name, good)
	}
	if f.Spec.Idempotent {
		answers["no key"] = p.wang.phone.Call(t, f, "", good)
	}
	rules := map[string]fields{
		"account-detail": {"account_id": p.li.AccountIDs[0]}, "transfer-get": {"transfer_id": p.li.AccountIDs[0]},
		"transfer-prepare": with(good, "amount_fen", stepup.CapToken+1),
		"transfer-confirm": with(good, "proofs", []fields{}),
		"identity-login":   with(good, "otp", "000000"), "identity-register": with(good, "otp", "000000"),
	}
	if request, ok := rules[name]; ok {
		answers["a rule"] = call(t, p.wang.phone, name, request)
	}
	return answers
}

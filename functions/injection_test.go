package functions_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidebank/tidebank/test/functest"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/functions"
	transferprepare "github.com/tidebank/tidebank/functions/transfer/prepare"
	"github.com/tidebank/tidebank/shared/mask"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/req"
)

// asData are the fields that take any short text.
var asData = []string{"transfer-prepare memo"}

// hostileTexts sends each text in each field of each function's request, with good
// values in the other fields. It returns all answers. Each must be a refusal, or show
// the text unchanged.
func (j *journey) hostileTexts(t *testing.T, texts []string) (answers []bank.Reply) {
	t.Helper()
	j.openSession(t)
	tried := map[string]bool{}
	for _, f := range functions.All() {
		if isEvent(f) {
			continue
		}
		for _, place := range places(f.Request, "") {
			name := f.Spec.Name + " " + place
			for _, text := range texts {
				body := j.spoilt(t, f.Spec.Name, place, text)
				frame := body
				if !f.Spec.NoChannel {
					frame = j.Phone.Frame(t, f, uuid.NewString(), json.RawMessage(body))
				}
				answer := j.Phone.Send(t, f, frame)
				answers, tried[name] = append(answers, answer), true
				if name == "account-alias-set alias" { // a name, if it is short enough
					var view struct{ Alias string }
					if answer.Code != "INPUT_INVALID" {
						if answer.Into(t, &view); view.Alias != mask.Text(text) {
							t.Errorf("%s of %q is answered by %q", name, text, view.Alias)
						}
					}
					continue
				}
				shown := slices.Contains(asData, name)
				if (answer.Code == "") != shown || answer.Status >= http.StatusInternalServerError {
					t.Errorf("%s of %q: %d %s", name, text, answer.Status, answer.Body)
				}
				if shown {
					var reply struct{ Text string }
					answer.Into(t, &reply)
					if !strings.Contains(reply.Text, "附言："+mask.Text(text)+"\n") {
						t.Errorf("%s of %q is answered by %q", name, text, reply.Text)
					}
				}
			}
		}
	}
	if len(tried) < 35 {
		t.Fatalf("only %d fields were tried: %v", len(tried), tried)
	}
	return answers
}

// places are the fields of a request on the wire, those of a list's items behind it.
func places(of reflect.Type, before string) []string {
	var list []string
	for i := range of.NumField() {
		f := of.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch inner := f.Type; {
		case name == "":
			list = append(list, places(inner, before)...)
		case inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct:
			list = append(list, places(inner.Elem(), before+name+".")...)
		default:
			list = append(list, before+name)
		}
	}
	return list
}

// spoilt is the function's good request with one field replaced.
func (j *journey) spoilt(t *testing.T, function, place string, value any) json.RawMessage {
	t.Helper()
	var request map[string]any
	check.Must(t, json.Unmarshal(j.sent[function], &request))
	switch {
	case function == "otp-send" && place != "intent_id":
		request = map[string]any{"purpose": "login", "phone": j.Payer.Phone}
	case function == "identity-login" && place == "captcha_answer":
		request["captcha_id"] = uuid.NewString()
	case function == "message-read":
		delete(request, "all")
	}
	into := request
	if list, field, nested := strings.Cut(place, "."); nested {
		item, ok := request[list].([]any)[1].(map[string]any)
		if !ok {
			t.Fatalf("%s has no %s", function, list)
		}
		into, place = item, field
		switch field {
		case "code":
			into["factor"] = "sms_otp"
		case "password":
			into["factor"] = "trade_password"
		}
	}
	into[place] = value
	body := check.JSON(t, request)
	return body
}

// await prepares a transfer for the confirming requests to come.
func (j *journey) await(t *testing.T) {
	t.Helper()
	j.openSession(t)
	var in transferprepare.Response
	j.call(t, "transfer-prepare", j.ToOwn(2), &in) // above the amount of the customer's choice of proofs
	signed := j.Signed(t, in)
	request := check.JSON(t, stepup.Confirmation{IntentID: in.IntentID, Proofs: []stepup.Proof{signed, signed}})
	j.sent["transfer-confirm"] = request
}

// unchanging lists all rows that no refused call may change.
func (j *journey) unchanging(t *testing.T) string {
	t.Helper()
	var all []string
	for _, sql := range []string{
		"SELECT t::text FROM customer t ORDER BY id", "SELECT t::text FROM device t ORDER BY customer_id, device_id",
		"SELECT login_password || trade_password FROM credential ORDER BY customer_id",
		"SELECT (to_jsonb(t) - 'alias_ct')::text FROM account t ORDER BY id", "SELECT t::text FROM posting t ORDER BY id",
		"SELECT t::text FROM entry t ORDER BY account_id, posting_id", "SELECT t::text FROM transfer t ORDER BY id",
		"SELECT t::text FROM limit_use t ORDER BY 1", "SELECT t::text FROM message t ORDER BY id",
		"SELECT t::text FROM policy t ORDER BY name, valid_from", "SELECT t::text FROM audit_record t ORDER BY seq",
		"SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
	} {
		rows := check.Column[string](t, j.Host.DB.Pool(), sql)
		if len(rows) == 0 {
			t.Fatalf("no rows of %s", sql)
		}
		all = append(all, rows...)
	}
	return strings.Join(all, "\n")
}

// SQL in any field is a wrong value or a text. The bank answers nothing more and
// changes nothing.
func TestSQLInAnyFieldIsText(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-008.1")
	j := newJourney(t)
	j.travel(t)
	j.await(t)
	before := j.unchanging(t)
	texts := []string{
		`' OR '1'='1`, `'; DROP TABLE message; --`, `1; UPDATE account SET balance = 0`, `") OR 1=1 --`,
		`x' UNION SELECT id FROM customer --`,
		`\'; DELETE FROM device; --`, `$1`, `posted_at DESC; TRUNCATE policy`, `' || pg_sleep(9) || '`,
	}
	j.hostileTexts(t, texts)
	if j.unchanging(t) != before {
		t.Error("the data changed")
	}
	// The bank stores the key that a client chooses, and finds it again.
	confirm := functest.Named(t, "transfer-confirm")
	var request map[string]any
	check.Must(t, json.Unmarshal(j.sent["transfer-confirm"], &request))
	request["proofs"] = request["proofs"].([]any)[:1]
	first := j.Phone.Send(t, confirm, j.Phone.Frame(t, confirm, texts[1], request))
	again := j.Phone.Send(t, confirm, j.Phone.Frame(t, confirm, texts[1], request))
	if first.Want(t, ""); string(first.Body) != string(again.Body) {
		t.Errorf("%s, and again %s", first.Body, again.Body)
	}
	if other := j.Phone.Send(t, confirm, j.Phone.Frame(t, confirm, texts[0], request)); other.Code != "INTENT_USED" {
		t.Errorf("another key is answered %s", other.Body)
	}
}

// A path, an address or a piece of a query in any field reaches nothing: no file is
// read, nobody is called.
func TestPathsAndAddressesInAnyFieldReachNothing(t *testing.T) {
	t.Parallel()
	req.Covers(t, "INPUT-010.2")
	j := newJourney(t)
	j.travel(t)
	j.await(t)
	before := j.unchanging(t)
	var called atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	t.Cleanup(elsewhere.Close)
	const content = "content-of-the-file"
	file, err := os.CreateTemp("", "x") //nolint:usetesting // a short path: a memo takes sixty characters
	check.Must(t, err)
	t.Cleanup(func() { _ = os.Remove(file.Name()) })
	_, err = file.WriteString(content)
	check.Must(t, err)
	for _, answer := range j.hostileTexts(t, []string{
		"../../../../etc/passwd", file.Name(), "file://" + file.Name(), elsewhere.URL, elsewhere.URL + "/?id=1",
		"?account_id=1&all=true", "#x", "%2e%2e%2f%00", `\\127.0.0.1\share`, "captcha:*", "../identity-me",
	}) {
		if strings.Contains(string(answer.Body), content) || strings.Contains(string(answer.Body), "root:") {
			t.Errorf("a file was read: %s", answer.Body)
		}
	}
	if called.Load() != 0 {
		t.Errorf("the address was called %d times", called.Load())
	}
	if j.unchanging(t) != before {
		t.Error("the data changed")
	}
}

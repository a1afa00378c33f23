package bank_test

import (
	"strings"
	"testing"

	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/req"
)

// Every good reply that any test gets is held against this; so a reply with a field
// that nobody published fails wherever it is met.
func TestRepliesHoldWhatIsPublishedAndNoMore(t *testing.T) {
	t.Parallel()
	req.Covers(t, "LOGIC-011.2")
	const good = `{"messages":[{"message_id":"0190c3a0-0000-7000-8000-000000000001","kind":"transfer.in","title":"t","body":"b",` +
		`"created_at":"2026-11-23T10:00:00+08:00","read_at":null}],"unread":1,"next_cursor":""}`
	if err := bank.CheckReply("message-list", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"a field too many":        strings.Replace(good, `"unread"`, `"customer_id":"x","unread"`, 1),
		"a field too many inside": strings.Replace(good, `"kind"`, `"phone":"x","kind"`, 1),
		"a field too few":         strings.Replace(good, `"unread":1,`, "", 1),
		"another type":            strings.Replace(good, `"unread":1`, `"unread":"1"`, 1),
		"no JSON":                 "x",
	} {
		if bank.CheckReply("message-list", []byte(body)) == nil {
			t.Errorf("%s passes", name)
		}
	}
	if err := bank.CheckReply("no-such-function", []byte(`{}`)); err != nil {
		t.Error(err)
	}
}

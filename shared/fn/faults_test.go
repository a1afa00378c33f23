package fn_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
)

func TestRepliesThatAreNotSent(t *testing.T) {
	t.Parallel()
	b := bank.On(t, pgtest.Broken(t))
	type reply struct {
		Any any `json:"any"`
	}
	for i, tt := range []struct {
		name  string
		value any
		sent  bool
	}{
		{"a phone number", phoneNo, false},
		{"a card number", "6228480000000100011", false},
		{"an identity number", "11010119900307001X", false},
		{"one within a text", "call " + phoneNo + "!", false},
		{"one deep within", []any{map[string]any{"x": []string{phoneNo}}}, false},
		{"one as a name", map[string]any{phoneNo: 1}, false},
		{"what has no JSON", func() {}, false},
		{"masked numbers", []string{"138****5678", "622848*********0011", "1****************X"}, true},
		{"an amount as long as a card number", 622848000000010001, true},
		{"an id", uuid.Max.String(), true},
	} {
		f := declare("test-reply-"+string(rune('a'+i)), nil, func(context.Context, given, struct{}) (reply, error) {
			return reply{tt.value}, nil
		})
		got := b.Device(t, "phone").Call(t, f, "", struct{}{})
		if want := map[bool]string{false: "INTERNAL_ERROR"}[tt.sent]; got.Code != want {
			t.Errorf("%s: %q %s, want %q", tt.name, got.Code, got.Body, want)
		}
		if !tt.sent && (strings.Contains(string(got.Body), phoneNo) || strings.Contains(b.Log.String(), phoneNo)) {
			t.Errorf("%s: it got out", tt.name)
		}
	}
}

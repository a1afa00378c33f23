package fn_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/pgtest"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
)

// An operation that skips its part of the policy is found out at its first call,
// whatever it answers.
func TestOperationsThatForget(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	for _, tt := range []struct {
		name              string
		records, consumes bool
		logged            string // "" if all is well
	}{
		{"nothing", true, true, ""},
		{"record", false, true, "without its idempotency record"},
		{"consume", true, false, "without consuming its intent"},
	} {
		f := declare("test-forgets-"+tt.name, func(s *fn.Spec) {
			s.Audience, s.Idempotent, s.StepUp = fn.Customer, true, stepup.FromIntent
		}, func(ctx context.Context, host *fn.Host, request order) (receipt, error) {
			var unit pg.Unit
			reply := receipt{ID: "1", Note: request.Note}
			if tt.records {
				must(t, fn.RecordReply(ctx, &unit, reply))
			}
			if tt.consumes {
				fn.EvidenceFrom(ctx).Consume(&unit)
			}
			return reply, host.DB.Commit(ctx, &unit)
		})
		u := newUser(t, b, f)
		reply := u.call(t, u.order(t))
		if tt.logged == "" {
			reply.Want(t, "")
			continue
		}
		reply.Want(t, "INTERNAL_ERROR")
		if strings.Contains(string(reply.Body), "without") || !strings.Contains(lineOf(t, b, reply.Problem.Trace), tt.logged) {
			t.Errorf("%s: %s\n%s", tt.name, reply.Body, b.Log)
		}
	}
}

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
		f := declare("test-reply-"+string(rune('a'+i)), nil, func(context.Context, *fn.Host, struct{}) (reply, error) {
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

package fn_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	handler "github.com/openfaas/templates-sdk/go-http"

	"github.com/tidebank/tidebank/shared/channel"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/risk"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"github.com/tidebank/tidebank/test/pgtest"
)

func TestOrderOfEnforcement(t *testing.T) {
	t.Parallel()
	want := []string{"size", "channel", "admit", "decode", "preflight", "operation", "mask", "end session", "commit", "start session"}
	if diff := cmp.Diff(want, fn.StageNames()); diff != "" {
		t.Errorf("the order has changed; docs/architecture.md explains it (-want +got):\n%s", diff)
	}
}

// docs/architecture.md explains the stages in the same order.
func TestTheDocumentNamesTheStagesInOrder(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/architecture.md")
	check.Must(t, err)
	_, table, _ := strings.Cut(string(raw), "| stage | what it does |")
	table, _, _ = strings.Cut(table, "\n\n")
	var named []string
	for _, line := range strings.Split(table, "\n")[2:] {
		named = append(named, strings.TrimSpace(strings.Split(line, "|")[1]))
	}
	if diff := cmp.Diff(fn.StageNames(), named); diff != "" {
		t.Errorf("stages (-code +document):\n%s", diff)
	}
}

// attack is a call that exactly one stage must refuse with a code.
type attack struct {
	stage, name, want string
	call              func(t *testing.T, u user) bank.Reply
	on                func(name string) fn.Function // everything if nil
}

// target is the function that the attack is made on.
func (a attack) target(name string) fn.Function {
	if a.on != nil {
		return a.on(name)
	}
	return everything(name)
}

func clear(t *testing.T, key string, request any) []byte {
	t.Helper()
	body := check.JSON(t, map[string]any{"idempotency_key": key, "request": request})
	return body
}

// attacks hold at least one attack for each stage.
var attacks = []attack{
	{"size", "another method", "METHOD_NOT_ALLOWED", func(t *testing.T, u user) bank.Reply {
		return u.sendBy(t, http.MethodGet, u.seal(t, http.MethodGet, clear(t, "key", u.order(t))))
	}, nil},
	{"size", "a byte too many", "INPUT_TOO_LARGE", func(t *testing.T, u user) bank.Reply {
		// White space behind it changes nothing but the frame's length.
		text := clear(t, "key", u.order(t))
		room := int(u.Host.Limits.BodyBytes) + 1 - len(u.seal(t, http.MethodPost, text))
		return u.Send(t, u.f, u.seal(t, http.MethodPost, append(text, strings.Repeat(" ", room)...)))
	}, nil},
	{"channel", "a changed byte", "FRAME_REJECTED", func(t *testing.T, u user) bank.Reply {
		frame := u.Frame(t, u.f, "key", u.order(t))
		frame[len(frame)-1] ^= 1
		return u.Send(t, u.f, frame)
	}, nil},
	{"channel", "an old frame", "FRAME_REJECTED", func(t *testing.T, u user) bank.Reply {
		frame := u.FrameAt(t, u.f, u.Clock.Now().Add(-6*time.Minute), clear(t, "key", u.order(t)))
		return u.Send(t, u.f, frame)
	}, nil},
	{"admit", "sent twice", "FRAME_REPLAYED", func(t *testing.T, u user) bank.Reply {
		frame := u.Frame(t, u.f, "key", u.order(t))
		u.Send(t, u.f, frame)
		return u.Send(t, u.f, frame)
	}, nil},
	{"admit", "nobody logged in", "SESSION_REQUIRED", func(t *testing.T, u user) bank.Reply {
		check.Must(t, u.Host.Sessions.End(t.Context(), u.Channel))
		return u.call(t, u.order(t))
	}, nil},
	{"admit", "logged in elsewhere", "SESSION_DISPLACED", func(t *testing.T, u user) bank.Reply {
		check.Must(t, u.Host.Sessions.Start(t.Context(), u.Bank.Device(t, "tablet").Channel, u.customer.ID))
		return u.call(t, u.order(t))
	}, nil},
	{"admit", "too often", "RATE_LIMITED", func(t *testing.T, u user) bank.Reply {
		for range 10 {
			u.call(t, u.order(t))
		}
		return u.call(t, u.order(t))
	}, nil},
	{"decode", "an unknown field", "INPUT_INVALID", func(t *testing.T, u user) bank.Reply {
		return u.call(t, map[string]any{"note": "x", "intent_id": u.intent.ID, "proofs": u.order(t).Proofs, "admin": true})
	}, nil},
	{"decode", "against its form", "INPUT_INVALID", func(t *testing.T, u user) bank.Reply {
		bad := u.order(t)
		bad.Note = ""
		return u.call(t, bad)
	}, nil},
	{"decode", "no key", "IDEMPOTENCY_KEY_MISSING", func(t *testing.T, u user) bank.Reply {
		return u.Call(t, u.f, "", u.order(t))
	}, nil},
	{"preflight", "no proof", "STEPUP_STRONGER", func(t *testing.T, u user) bank.Reply {
		bare := u.order(t)
		bare.Proofs = []stepup.Proof{}
		return u.call(t, bare)
	}, nil},
	{"preflight", "a proof for another text", "PROOF_REJECTED", func(t *testing.T, u user) bank.Reply {
		wrong := u.order(t)
		wrong.Proofs[0] = u.proof(t, "another")
		return u.call(t, wrong)
	}, nil},
	{"preflight", "no such intent", "OBJECT_NOT_FOUND", func(t *testing.T, u user) bank.Reply {
		wrong := u.order(t)
		wrong.IntentID = uuid.New()
		return u.call(t, wrong)
	}, nil},
	{"preflight", "a customer of high risk", "RISK_REFUSED", func(t *testing.T, u user) bank.Reply {
		u.grade(t, risk.GradeHigh)
		return u.call(t, u.order(t))
	}, nil},
	{"preflight", "graded higher than when it was prepared", "STEPUP_STRONGER", func(t *testing.T, u user) bank.Reply {
		u.grade(t, risk.GradeRaised)
		return u.call(t, u.order(t))
	}, nil},
	{"commit", "a good call", "", func(t *testing.T, u user) bank.Reply {
		r := u.call(t, u.order(t))
		if r.Code == "" && effects(t, u.Bank, u.intent.ID.String()) == 0 {
			r.Code = "without effect"
		}
		return r
	}, nil},
	{"operation", "an operation that refuses", "FUNDS_INSUFFICIENT", func(t *testing.T, u user) bank.Reply {
		poor := u.order(t)
		poor.Note = refusedNote
		return u.call(t, poor)
	}, nil},
	{"end session", "a call after the last one", "SESSION_REQUIRED", func(t *testing.T, u user) bank.Reply {
		u.call(t, note{"x"}).Want(t, "")
		return u.call(t, note{"x"})
	}, leaving},
	{"start session", "a call after logging in", "", func(t *testing.T, u user) bank.Reply {
		check.Must(t, u.Host.Sessions.End(t.Context(), u.Channel))
		u.call(t, note{u.customer.ID.String()}).Want(t, "")
		return u.Call(t, leaving("test-leave"), "", note{"x"})
	}, entering},
	{"mask", "a phone number in the reply", "INTERNAL_ERROR", func(t *testing.T, u user) bank.Reply {
		leak := u.order(t)
		leak.Note = phoneNo
		return u.call(t, leak)
	}, nil},
}

// sendBy sends a frame with another method.
func (u user) sendBy(t *testing.T, method string, frame []byte) bank.Reply {
	t.Helper()
	call := handler.Request{Body: frame, Method: method, Header: http.Header{}}
	call.WithContext(t.Context())
	resp, err := u.Open(t, u.f).Handle(call)
	check.Must(t, err)
	r := bank.Reply{Status: resp.StatusCode, Body: resp.Body}
	if r.Status != http.StatusOK {
		if resp.Header.Get("Content-Type") == channel.MediaType {
			sent, err := channel.ParseHeader(frame)
			check.Must(t, err)
			r.Body, err = channel.OpenReply(u.Keys, resp.Body, sent, u.f.Spec.Name, resp.StatusCode)
			check.Must(t, err)
		}
		check.Must(t, json.Unmarshal(r.Body, &r.Problem))
		r.Code = r.Problem.Code
	}
	return r
}

func strictBank(t *testing.T) *bank.Bank {
	t.Helper()
	b := bank.On(t, pgtest.New(t))
	b.Host.Limits.RateScale = 1
	return b
}

// With all stages, each attack is refused with its code. It has no effect if its stage
// comes before the operation.
func TestEveryStageRefuses(t *testing.T) {
	t.Parallel()
	b := strictBank(t)
	before := fn.StageNames()
	before = before[:slices.Index(before, "operation")]
	for _, a := range attacks {
		t.Run(a.stage+"/"+a.name, func(t *testing.T) {
			u := newUser(t, b, a.target("test-"+strings.ReplaceAll(a.stage, " ", "-")))
			once := 0
			if a.want == "FRAME_REPLAYED" || a.want == "RATE_LIMITED" {
				once = 1 // of the good call before it
			}
			a.call(t, u).Want(t, a.want)
			if n := effects(t, b, u.intent.ID.String()); slices.Contains(before, a.stage) && n != once {
				t.Errorf("%d effects, want %d", n, once)
			}
		})
	}
}

// Without its stage, an attack gets another answer. So each stage is needed, and each is
// tested.
func TestNoStageIsRedundant(t *testing.T) {
	t.Parallel()
	b := strictBank(t)
	for _, stage := range fn.StageNames() {
		t.Run(stage, func(t *testing.T) {
			tried := 0
			for _, a := range attacks {
				if a.stage != stage {
					continue
				}
				tried++
				f := fn.Without(a.target("test-without-"+strings.ReplaceAll(stage, " ", "-")), stage)
				if got := a.call(t, newUser(t, b, f)); got.Code == a.want {
					t.Errorf("%s: still %q; another stage does the same, or the attack proves nothing", a.name, got.Code)
				}
			}
			if tried == 0 {
				t.Error("no attack tests this stage")
			}
		})
	}
}

// A call with two faults is refused by the earlier stage, before the later one begins.
func TestEarlierStagesRefuseFirst(t *testing.T) {
	t.Parallel()
	b, f := strictBank(t), everything("test-everything")
	for _, tt := range []struct {
		name, want string
		call       func(t *testing.T, u user) bank.Reply
	}{
		{"size before channel", "METHOD_NOT_ALLOWED", func(t *testing.T, u user) bank.Reply {
			return u.sendBy(t, http.MethodPut, []byte("no frame"))
		}},
		{"channel before admit", "FRAME_REJECTED", func(t *testing.T, u user) bank.Reply {
			frame := u.Frame(t, f, "key", u.order(t))
			u.Send(t, f, frame).Want(t, "")
			forged := slices.Clone(frame)
			forged[len(forged)-1] ^= 1
			return u.Send(t, f, forged)
		}},
		{"admit before decode", "SESSION_REQUIRED", func(t *testing.T, u user) bank.Reply {
			check.Must(t, u.Host.Sessions.End(t.Context(), u.Channel))
			return u.call(t, []any{})
		}},
		{"decode before preflight", "INPUT_INVALID", func(t *testing.T, u user) bank.Reply {
			u.grade(t, risk.GradeHigh)
			return u.call(t, map[string]any{"note": "", "intent_id": u.intent.ID})
		}},
		{"proofs before risk", "PROOF_REJECTED", func(t *testing.T, u user) bank.Reply {
			u.grade(t, risk.GradeHigh)
			wrong := u.order(t)
			wrong.Proofs[0] = u.proof(t, "another")
			return u.call(t, wrong)
		}},
		{"risk before the operation", "RISK_REFUSED", func(t *testing.T, u user) bank.Reply {
			u.grade(t, risk.GradeHigh)
			leak := u.order(t)
			leak.Note = phoneNo
			return u.call(t, leak)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.call(t, newUser(t, b, f)).Want(t, tt.want) })
	}
}

// A stranger who sees a frame can't use up its sequence. A bad request can't use up the
// tries of a code.
func TestRefusedCallsCostNothing(t *testing.T) {
	t.Parallel()
	u := newUser(t, strictBank(t), everything("test-everything"))
	frame := u.Frame(t, u.f, "key", u.order(t))
	forged := slices.Clone(frame)
	forged[len(forged)-1] ^= 1
	u.Send(t, u.f, forged).Want(t, "FRAME_REJECTED")
	u.Send(t, u.f, frame).Want(t, "")

	u.intent = u.prepare(t)
	u.Exec(t, `
INSERT INTO otp_challenge (subject, purpose, phone_bidx, customer_id, device_id, nonce, binding, issued_at, expires_at, max_tries)
VALUES ($1, 'intent', (SELECT phone_bidx FROM customer WHERE id = $2), $2, $3, '', $4, $5, $6, 5)`,
		stepup.Subject(u.intent.ID), u.intent.CustomerID, u.intent.DeviceID, []byte("digest"), u.Clock.Now(), u.intent.ExpiresAt)
	guess := order{Confirmation: stepup.Confirmation{
		IntentID: u.intent.ID, Proofs: []stepup.Proof{{Factor: stepup.SMSOTP, Code: "000000"}},
	}}
	for i, tt := range []struct{ note, want string }{{"", "INPUT_INVALID"}, {"x", "PROOF_REJECTED"}} {
		guess.Note = tt.note
		u.Call(t, u.f, "guess", guess).Want(t, tt.want)
		tries := u.Count(t, "SELECT tries FROM otp_challenge WHERE subject = $1", stepup.Subject(u.intent.ID))
		if tries != i {
			t.Errorf("%s: %d tries were counted, want %d", tt.want, tries, i)
		}
	}
}

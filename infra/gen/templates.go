package main

// templates holds the two files that `make new` writes for each trigger. Each test
// passes with the generated handler; the author replaces both.
func templates() map[string][2]string {
	return map[string][2]string{
		"query":   {queryTemplate, queryTest},
		"command": {commandTemplate, commandTest},
		"confirm": {confirmTemplate, confirmTest},
		"event":   {eventTemplate, eventTest},
		"worker":  {workerTemplate, workerTest},
	}
}

const configType = `// Config is empty: the function has no settings.
type Config struct{}
`

const wireTypes = `
// Request is the app's request.
type Request struct{}

// Response is the reply to the app.
type Response struct{}
`

const queryTemplate = `// Package {{.Package}} says here, in one sentence, what it answers.
//
//	POST /function/{{.Name}}   session
package {{.Package}}

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Query(fn.Spec{
	Name: "{{.Name}}", Summary: "Say what it answers", Audience: fn.Customer,
	Requirements: []string{"LOGIC-005"},
}, wire)

` + configType + wireTypes + `
func wire(_ context.Context, _ *fn.Lent, _ Config) (fn.QueryOperation[Request, Response], error) {
	return func(context.Context, *fn.Call, Request) (Response, error) { return Response{}, nil }, nil
}
`

const queryTest = `package {{.Package}}_test

import (
	"testing"

	{{.Alias}} "{{.Import}}"
	"github.com/tidebank/tidebank/test/bank"
)

func TestContract(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	phone := b.Device(t, "phone-of-wang")
	phone.Call(t, {{.Alias}}.Function, "", {{.Alias}}.Request{}).Want(t, "SESSION_REQUIRED")
	phone.LoginAs(t, b.Customer(t, "王小明"))
	phone.Call(t, {{.Alias}}.Function, "", {{.Alias}}.Request{}).Want(t, "")
}
`

const commandTemplate = `// Package {{.Package}} says here, in one sentence, what it changes.
//
//	POST /function/{{.Name}}   session, idempotency key
package {{.Package}}

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Command(fn.Spec{
	Name: "{{.Name}}", Summary: "Say what it changes", Audience: fn.Customer, Idempotent: true,
	Requirements: []string{"LOGIC-005"},
}, wire)

` + configType + wireTypes + `
func wire(_ context.Context, _ *fn.Lent, _ Config) (fn.CommandOperation[Request, Response], error) {
	return func(context.Context, *fn.Call, Request, *pg.Unit) (Response, error) { return Response{}, nil }, nil
}
`

const commandTest = `package {{.Package}}_test

import (
	"testing"

	{{.Alias}} "{{.Import}}"
	"github.com/tidebank/tidebank/test/bank"
)

func TestContract(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	phone := b.Device(t, "phone-of-wang")
	phone.Call(t, {{.Alias}}.Function, "key", {{.Alias}}.Request{}).Want(t, "SESSION_REQUIRED")
	phone.LoginAs(t, b.Customer(t, "王小明"))
	phone.Call(t, {{.Alias}}.Function, "", {{.Alias}}.Request{}).Want(t, "IDEMPOTENCY_KEY_MISSING")
	for range 2 {
		phone.Call(t, {{.Alias}}.Function, "key", {{.Alias}}.Request{}).Want(t, "")
	}
}
`

const confirmTemplate = `// Package {{.Package}} says here, in one sentence, what it carries out.
//
//	POST /function/{{.Name}}   session, idempotency key, proofs
package {{.Package}}

import (
	"context"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Confirm(fn.Spec{
	Name: "{{.Name}}", Summary: "Say what it carries out",
	Requirements: []string{"LOGIC-013"},
}, wire)

` + configType + `
// Plan is the payload of the intent. The prepare function stores it and this function
// reads it. Move it to the domain's package, so that both functions can use it.
type Plan struct{}

// Request names the intent and holds the proofs.
type Request struct{ stepup.Confirmation }

// Response is the reply to the app.
type Response struct{}

func wire(_ context.Context, _ *fn.Lent, _ Config) (fn.ConfirmOperation[Plan, Request, Response], error) {
	return func(context.Context, *fn.Call, Request, fn.Confirmed[Plan], *pg.Unit) (Response, error) {
		return Response{}, nil
	}, nil
}
`

const confirmTest = `package {{.Package}}_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	{{.Alias}} "{{.Import}}"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/stepup"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/pgtest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	phone, wang := b.Device(t, "phone-of-wang"), b.Customer(t, "王小明")
	phone.LoginAs(t, wang)
	intent := stepup.Intent{
		ID: uuid.New(), CustomerID: wang.ID, DeviceID: phone.ID, Operation: {{.Alias}}.Function.Spec.Name,
		Payload: []byte("{}"), Text: "确认", Combinations: []stepup.Combination{{"{{"}}stepup.DeviceKey{{"}}"}},
		CreatedAt: b.Clock.Now(), ExpiresAt: b.Clock.Now().Add(time.Minute),
	}
	pgtest.Commit(t, b.Host.DB, func(unit *pg.Unit) error { return stepup.Save(unit, b.Host.Keys, intent) })
	proven := func(text string) {{.Alias}}.Request {
		return {{.Alias}}.Request{Confirmation: stepup.Confirmation{
			IntentID: intent.ID, Proofs: []stepup.Proof{{"{{"}}Factor: stepup.DeviceKey, Signature: phone.Sign(t, text){{"}}"}},
		}}
	}
	phone.Call(t, {{.Alias}}.Function, "key", proven("another text")).Want(t, "PROOF_REJECTED")
	for range 2 {
		phone.Call(t, {{.Alias}}.Function, "key", proven(intent.Text)).Want(t, "")
	}
}
`

const eventTemplate = `// Package {{.Package}} says here, in one sentence, what follows from the event.
//
//	{{.Event}}
package {{.Package}}

import (
	"context"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

// Function declares the function. The registry and its main are generated from it.
var Function = fn.Event(fn.Spec{
	Name: "{{.Name}}", Summary: "Say what follows from the event",
	Consumes:     []string{events.Type{{.Data}}},
	Requirements: []string{"AUDIT-003"},
}, wire)

` + configType + `
func wire(context.Context, *fn.Lent, Config) (fn.Reaction[events.{{.Data}}], error) {
	return func(context.Context, fn.Delivery[events.{{.Data}}]) (fn.Effect, error) {
		return func(context.Context, pg.Tx) error { return nil }, nil
	}, nil
}
`

const eventTest = `package {{.Package}}_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/events"
	{{.Alias}} "{{.Import}}"
	"github.com/tidebank/tidebank/test/bank"
)

// The function takes an event twice, and the event has its effect once.
func TestTakesTheEvent(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	e := b.Event(t, uuid.NewString(), events.Type{{.Data}}, "subject", events.{{.Data}}{})
	for range 2 {
		if got := b.Deliver(t, {{.Alias}}.Function, e); got != http.StatusAccepted {
			t.Errorf("%d, want 202\n%s", got, b.Log)
		}
	}
}
`

const workerTemplate = `// Package {{.Package}} says here, in one sentence, what it does by itself.
package {{.Package}}

import (
	"context"
	"time"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
)

// Worker declares the worker. The registry and its main are generated from it.
var Worker = fn.Worker(fn.Spec{Name: "{{.Name}}", Summary: "Say what it does by itself"}, wire)

` + configType + `
const every = time.Minute

func wire(_ context.Context, lent *fn.WorkerLent, _ Config) (fn.Work, error) {
	round := func(context.Context) error { return nil }
	return func(ctx context.Context) { pg.RunEvery(ctx, lent.Log, "{{.Name}}", every, round) }, nil
}
`

const workerTest = `package {{.Package}}_test

import (
	"testing"

	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/test/bank"
	"github.com/tidebank/tidebank/test/check"
	"{{.Import}}"
)

// The worker starts, and stops when its context ends.
func TestWorks(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	work, err := {{.Alias}}.Worker.Start(t.Context(), b.Host, host.Values())
	check.Must(t, err)
	stop := bank.Background(t, work)
	stop()
}
`

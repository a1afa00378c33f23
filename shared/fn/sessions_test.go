package fn_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/fn"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/session"
	"github.com/tidebank/tidebank/test/bank"
)

// A session does not live if the customer's sessions end between its commit and its start. An
// end of all sessions also ends a session that starts before its commit.
func TestSessionsAroundACommit(t *testing.T) {
	t.Parallel()
	b := bank.New(t)
	phone, customer := b.Device(t, "phone"), uuid.New()
	sessions := b.Host.Sessions
	during := func(unit *pg.Unit, do func() error) {
		unit.Add(pg.Statement{SQL: "SELECT 1", Scan: func(pgx.Row) error { return do() }})
	}
	login := command("test-enter", func(s *fn.Spec) { s.Session = fn.SessionStarts },
		func(ctx context.Context, call *fn.Call, request note, unit *pg.Unit) (note, error) {
			call.StartSession(customer, "", session.NoDuty)
			during(unit, func() error { return sessions.EndCustomer(ctx, customer) })
			return request, nil
		})
	reset := command("test-reset", func(s *fn.Spec) { s.Session = fn.SessionEndsAll },
		func(ctx context.Context, call *fn.Call, request note, unit *pg.Unit) (note, error) {
			call.EndSessions(customer)
			during(unit, func() error { return sessions.Start(ctx, phone.Channel, customer) })
			return request, nil
		})
	for f, want := range map[*fn.Function]string{&login: "SESSION_DISPLACED", &reset: "SESSION_REQUIRED"} {
		phone.Reopen(t)
		phone.Call(t, *f, "", note{"x"}).Want(t, "")
		phone.Call(t, leaving("test-leave"), "", note{"x"}).Want(t, want)
	}
}

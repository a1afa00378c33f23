package staff

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

const sqlActive = `-- staff.active
SELECT id, roles, keypad FROM staff WHERE login_name = $1 AND active`

// Active returns the id, roles and kind of terminal of a member who has not left; ErrNotFound if no such member has the name.
func Active(ctx context.Context, db pg.Reader, name string) (Member, error) {
	m := Member{LoginName: name}
	if err := pg.Optional(db.QueryRow(ctx, sqlActive, name).Scan(&m.ID, &m.Roles, &m.Keypad)); err != nil {
		return m, pg.Classify(fmt.Errorf("member: %w", err))
	}
	if m.ID == uuid.Nil {
		return m, bankerr.ErrNotFound
	}
	return m, nil
}

// GivePassword adds to the unit the statements that replace the member's password, also one that the bank has given before, by
// one that is good for one login within `valid` of m.At, and then must be changed. The commit refuses it with OBJECT_NOT_FOUND
// if the member has left.
func GivePassword(ctx context.Context, to pg.Writer, turn *password.Turn, m Member, clear string, valid time.Duration) error {
	if valid <= 0 || valid > GivenLife {
		return ErrGivenLife
	}
	text, err := turn.Hash(password.OfStaff(m.ID), []byte(clear))
	if err != nil {
		return fmt.Errorf("given password: %w", err)
	}
	err = to.Write(ctx, pg.Statement{
		Call: "staff_give_password", Args: []any{m.ID, m.At, text, m.At.Add(valid)},
		Refuse: map[string]error{bankerr.ErrNotFound.Code(): bankerr.ErrNotFound},
	})
	if err != nil {
		return err
	}
	return to.Write(ctx, pg.Statement{SQL: sqlForgetOldest, Args: []any{m.ID, MostHistory - 1}})
}

// Leave adds to the unit the statement that makes a member inactive, without roles. The commit refuses it with
// OBJECT_NOT_FOUND if the member has left already.
func Leave(ctx context.Context, to pg.Writer, id uuid.UUID) error {
	return to.Write(ctx, pg.Statement{
		Call: "staff_leave", Args: []any{id}, Refuse: map[string]error{bankerr.ErrNotFound.Code(): bankerr.ErrNotFound},
	})
}

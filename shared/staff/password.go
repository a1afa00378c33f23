package staff

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

// The floors of the standard: a figure of the policy that is weaker has no effect.
const (
	MostCycleDays   = 90 // a password's life (PWD-014)
	LeastHistory    = 1  // last passwords that may not come again (PWD-007)
	LeastPCIHistory = 4  // likewise, of a member in an application under PCI
	MostHistory     = 24 // the bank keeps so many passwords of a member
)

const (
	sqlEarlier = `-- staff_password.earlier
SELECT s.login_name, s.pci, s.keypad, s.usb_key <> '',
       policy_value('staff.password.min_length', $2), policy_value('staff.password.min_length_aux', $2),
       policy_value('staff.password.history', $2), policy_value('staff.password.pci_history', $2),
       ARRAY(SELECT password FROM staff_password WHERE staff_id = s.id ORDER BY set_at DESC LIMIT $3)
  FROM staff s WHERE s.id = $1`

	sqlPut = `-- staff_password.put
WITH chosen AS (UPDATE staff SET given_until = NULL WHERE id = $1 RETURNING id)
INSERT INTO staff_password (staff_id, set_at, password) SELECT id, $2, $3 FROM chosen`

	sqlForgetOldest = `-- staff_password.forget_oldest
DELETE FROM staff_password WHERE staff_id = $1 AND set_at < (
    SELECT set_at FROM staff_password WHERE staff_id = $1 ORDER BY set_at DESC OFFSET $2 LIMIT 1)`

	sqlCreate = `-- staff.create
WITH member AS (
    INSERT INTO staff (id, login_name, roles, pci, keypad, usb_key, given_until, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id)
INSERT INTO staff_password (staff_id, set_at, password) SELECT id, $8, $9 FROM member`
)

// Earlier is what a new password of a member is compared with.
type Earlier struct {
	LoginName   string
	pci, keypad bool
	usbKey      bool
	least       [2]int // characters: without and with a USB key
	history     [2]int // passwords: of members outside and inside PCI
	passwords   []string
	id          uuid.UUID
}

// QueueEarlier adds the query that reads it to the batch.
func (e *Earlier) QueueEarlier(batch *pgx.Batch, id uuid.UUID, now time.Time) {
	*e = Earlier{id: id}
	batch.Queue(sqlEarlier, id, clock.BusinessDay(now), MostHistory).QueryRow(func(row pgx.Row) error {
		return row.Scan(&e.LoginName, &e.pci, &e.keypad, &e.usbKey,
			&e.least[0], &e.least[1], &e.history[0], &e.history[1], &e.passwords)
	})
}

// Check refuses a new password that breaks the rules, with the figures of the policy. Each comparison with
// an earlier password costs a hash, so the other rules come first.
func (e *Earlier) Check(turn *password.Turn, clear []byte) error {
	chosen := password.New{Staff: string(clear), Names: []string{e.LoginName}}
	chosen.Terms = password.StaffTerms{Min: max(e.least[0], password.StaffMin), Keypad: e.keypad}
	if e.usbKey || e.keypad {
		chosen.Terms.Min = max(e.least[1], password.StaffMinAux)
	}
	if err := chosen.CheckStaff(); err != nil {
		return err
	}
	for i, stored := range e.passwords[:min(len(e.passwords), e.recent())] {
		checked, err := turn.Check(password.OfStaff(e.id), stored, clear)
		if err != nil {
			return fmt.Errorf("compare with earlier passwords: %w", err)
		}
		chosen.Same = chosen.Same || checked.Right && i == 0
		chosen.Terms.Recent = chosen.Terms.Recent || checked.Right
	}
	return chosen.CheckStaff()
}

// recent is how many of the last passwords may not come again.
func (e *Earlier) recent() int {
	if e.pci {
		return max(e.history[1], LeastPCIHistory)
	}
	return max(e.history[0], LeastHistory)
}

// PutPassword adds to the unit the statements that store a new password, hashed. The earlier ones stay for the
// history, at most MostHistory in all.
func PutPassword(ctx context.Context, to pg.Writer, turn *password.Turn, id uuid.UUID, clear []byte, at time.Time) error {
	text, err := turn.Hash(password.OfStaff(id), clear)
	if err != nil {
		return fmt.Errorf("set a member's password: %w", err)
	}
	if err := to.Write(ctx, pg.Statement{SQL: sqlPut, Args: []any{id, at, text}}); err != nil {
		return err
	}
	return to.Write(ctx, pg.Statement{SQL: sqlForgetOldest, Args: []any{id, MostHistory - 1}})
}

// GivenLife is the longest time for which a password that the bank has given is good.
const GivenLife = 24 * time.Hour

// ErrGivenLife refuses a longer time, or none.
var ErrGivenLife = errors.New("a first password is good for at most 24 hours")

// ErrTaken refuses a second member with a login name.
var ErrTaken = errors.New("another member has this login name")

// Member is a new member.
type Member struct {
	ID          uuid.UUID
	LoginName   string
	Roles       []Role
	PCI, Keypad bool
	USBKey      []byte // SM2 public key, PKIX DER; empty: none
	At          time.Time
}

// Given returns a random password that meets the rules of a member. Its terminal may have digits only.
func Given(loginName string, keypad bool) string {
	const length = 12
	for {
		chosen := password.New{Staff: strings.ToLower(rand.Text()[:length]), Names: []string{loginName}}
		chosen.Terms = password.StaffTerms{Min: length, Keypad: keypad}
		if keypad {
			chosen.Staff = randomDigits(length)
		}
		if chosen.CheckStaff() == nil {
			return chosen.Staff
		}
	}
}

func randomDigits(length int) string {
	var b strings.Builder
	for b.Len() < length {
		for _, r := range rand.Text() { // each of its 32 signs is as likely as the others
			if i := strings.IndexRune("ABCDEFGHIJ", r); i >= 0 && b.Len() < length {
				b.WriteByte(byte('0' + i))
			}
		}
	}
	return b.String()
}

// Create adds to the unit the statement that stores a member, with a password that is good for one login within
// `valid`, and then must be changed.
func Create(ctx context.Context, to pg.Writer, turn *password.Turn, m Member, clear string, valid time.Duration) error {
	if valid <= 0 || valid > GivenLife {
		return ErrGivenLife
	}
	text, err := turn.Hash(password.OfStaff(m.ID), []byte(clear))
	if err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	usbKey := m.USBKey
	if usbKey == nil {
		usbKey = []byte{}
	}
	return to.Write(ctx, pg.Statement{
		SQL: sqlCreate, Args: []any{m.ID, m.LoginName, m.Roles, m.PCI, m.Keypad, usbKey, m.At.Add(valid), m.At, text},
		Refuse: map[string]error{"staff_login_name_unique": ErrTaken, "staff_roles_apart": ErrRolesApart},
	})
}

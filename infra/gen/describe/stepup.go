package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/infra/migrations"
	"github.com/tidebank/tidebank/infra/pgserver"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/money"
	"github.com/tidebank/tidebank/shared/risk"
)

const (
	sqlStepUpCaps = `-- describe.stepup_caps
SELECT method, per_transfer, per_day, valid_from FROM stepup_cap ORDER BY method, valid_from`

	sqlStepUpRules = `-- describe.stepup_rules
SELECT operation, scene, device, grade, up_to, combinations, valid_from
  FROM stepup_rule ORDER BY operation, scene, grade, device, up_to, valid_from`

	stepUpWait = 2 * time.Minute // for a server that starts, its migrations and two queries
)

// stepUp lists the matrix of a new bank. It starts a PostgreSQL and migrates it, once for
// each process.
var stepUp = sync.OnceValues(func() (page []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), stepUpWait)
	defer cancel()
	dir, err := os.MkdirTemp("", "tidebank-gen-")
	if err != nil {
		return nil, fmt.Errorf("step-up: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // the next start of the machine removes it
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		return nil, fmt.Errorf("step-up: %w", err)
	}
	defer func() { _ = server.Stop() }() // it keeps no data
	if err := migrations.Up(ctx, server.URL("postgres")); err != nil {
		return nil, fmt.Errorf("step-up: %w", err)
	}
	conn, err := pgx.Connect(ctx, server.URL("postgres"))
	if err != nil {
		return nil, fmt.Errorf("step-up: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }() // it has only read
	var b bytes.Buffer
	b.WriteString(notice + stepUpText)
	if err := stepUpCaps(ctx, conn, &b); err != nil {
		return nil, err
	}
	if err := stepUpRules(ctx, conn, &b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
})

const stepUpText = `# Step-up

Which proofs confirm an operation, and the caps of methods. This page lists the rows of the tables ` + "`stepup_rule`" + `
and ` + "`stepup_cap`" + ` of a new bank. A row is in force from its time until a later row of the same cell or method. Two persons
stand behind each row: the database refuses a row whose proposer is its approver, and each change of a row. So a cell changes
by a new row, and a row without combinations closes it. A process takes up new rows within 30 seconds.

No row weakens the floor in the code (` + "`shared/stepup/floor.go`" + `): a combination below it confirms nothing.

- Two different factors; one between own accounts up to 10,000.00 (AUTH-006, AUTH-008).
- At the grade raised, three factors for a payment to others, and a one-time code in all other cases (AUTH-029).
- Nothing at the grade high. No key of a device that is not bound. No money by the login password.
- The caps of the standard: 1,000,000.00 for the dynamic token (LIMIT-003) and the soft UKey that was opened at the counter
  (LIMIT-002); 50,000.00 for the SMS code, and for methods that the standard gives no cap (LIMIT-001).
- A token confirms only for a customer who has bound it. Its response is a one-time code.
- A face confirms only for a customer with a reference photo, a key that finger or face unlocks only on the bound device where
  the customer has set it, and both only beside another factor: biometrics alone confirm nothing (BIO-002).
- A soft UKey confirms only for a customer with its certificate, and a phone shield only on the phone that its certificate names. They
  do not stand beside the device's key: both keys are in one phone (AUTH-005). The phone shield's cap is at most that of the soft UKey
  of the counter (AUTH-019).

A customer may choose the proofs of transfers up to an amount (` + "`identity-preference-set`" + `). The choice must be enough for a
payment of this amount to another holder. Each transfer that it is enough for then asks for it alone; all others ask for
what the tables say.

The proofs of changes of passwords are fixed in the code (` + "`shared/stepup/change.go`" + `): the present password, and a code or
a signature; for a forgotten trade password, the login password and a code; for the binding of a token, its own response, a
code, and a signature or the trade password; for a certificate, the trade password, a code, and a signature or the login
password; for a gesture, the login password, a code and a signature; for a key that finger or face unlocks, the trade password,
a code and a signature.

A device without a bound key confirms no transfer (` + "`DEVICE_UNBOUND`" + `, DEVICE-004): its rows are closed. A later row of a cell
opens it again.

A session whose app has sent no good report about its environment ([protocol.md](protocol.md), section 7) counts at the grade
above the customer's own (DEVICE-005). A grave finding refuses every transfer (` + "`ENVIRONMENT_UNSAFE`" + `, DEVICE-006).

## Caps

The strongest method of a combination sets its caps. Methods of one kind of limit share the sum of a day
([limits.md](limits.md)). Amounts are yuan.

| method | one transfer | one day | from |
|---|---|---|---|
`

func stepUpCaps(ctx context.Context, conn *pgx.Conn, b *bytes.Buffer) error {
	rows, err := conn.Query(ctx, sqlStepUpCaps)
	if err != nil {
		return fmt.Errorf("step-up: %w", err)
	}
	var method string
	var transfer, day money.Fen
	var from time.Time
	_, err = pgx.ForEachRow(rows, []any{&method, &transfer, &day, &from}, func() error {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", method, transfer.Yuan(), day.Yuan(), date(from))
		return nil
	})
	if err != nil {
		return fmt.Errorf("step-up: %w", err)
	}
	return nil
}

func stepUpRules(ctx context.Context, conn *pgx.Conn, b *bytes.Buffer) error {
	b.WriteString("\n## Rules\n\nThe first row that fits the operation, with the lowest amount, decides. A case without a row " +
		"is refused.\n\n| operation | scene | device | grade | up to | each is enough | from |\n|---|---|---|---|---|---|---|\n")
	rows, err := conn.Query(ctx, sqlStepUpRules)
	if err != nil {
		return fmt.Errorf("step-up: %w", err)
	}
	var operation, scene, device string
	var grade risk.Grade
	var upTo money.Fen
	var combinations []string
	var from time.Time
	into := []any{&operation, &scene, &device, &grade, &upTo, &combinations, &from}
	_, err = pgx.ForEachRow(rows, into, func() error {
		most := "any amount"
		if upTo < money.Max {
			most = upTo.Yuan()
		}
		enough := "nothing"
		if len(combinations) > 0 {
			enough = "`" + strings.Join(combinations, "`, `") + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", operation, scene, device, gradeName(grade), most, enough, date(from))
		return nil
	})
	if err != nil {
		return fmt.Errorf("step-up: %w", err)
	}
	return nil
}

func gradeName(g risk.Grade) string {
	switch g {
	case risk.GradeNormal:
		return "normal"
	case risk.GradeRaised:
		return "raised"
	default:
		return "high"
	}
}

func date(at time.Time) string { return at.In(clock.Shanghai).Format(time.DateOnly) }

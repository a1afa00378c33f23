package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/pg"
	"github.com/tidebank/tidebank/shared/risk"
)

const liftFunction = "tide-risk-lift" // the function's name in the access record

var errNotGraded = errors.New("the number's customer has no raised or high risk grade")

// riskCommand holds the commands about customers' risk grades.
func riskCommand() *cobra.Command {
	var o order
	lift := &cobra.Command{
		Use:   "lift --phone NUMBER --reason TEXT --operator NAME",
		Short: "Make a customer's risk grade normal again", Args: cobra.NoArgs,
		Long: `Make a customer's risk grade normal again.

A high grade refuses every transfer of the customer, and no later transfer lowers it. A
raised grade asks for stronger proofs. Check with the customer first that the transfers
that raised the grade are the customer's own. Later transfers count anew.

The command leaves an access record in the same transaction: operator, reason, time,
customer, the lifted grade, this computer's name, and the address that the database sees.
It changes nothing when the grade is normal. It reads DATABASE_URL and KEYS_FILE.`,
		Example: `  go run ./infra/tide risk lift --phone 13800010001 --reason "confirmed at the branch" --operator wang`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd, "Lifted", liftGrade) },
	}
	o.flags(lift, "mobile number of the customer")
	parent := group("risk", "Decide about customers' risk grades")
	parent.AddCommand(lift)
	return parent
}

// liftGrade makes the grade normal, and emits the access record in the same transaction.
// It returns the record's trace, or errNotGraded if the grade is normal or nobody has the
// number.
//
// Source: FRAUD-018.
func liftGrade(ctx context.Context, h *host.Host, o order) (string, error) {
	ctx, who, record, err := o.record(ctx, h, liftFunction, "money", "lifted")
	if err != nil {
		return "", fmt.Errorf("lift: %w", err)
	}
	if who == uuid.Nil {
		return "", errNotGraded
	}
	err = h.DB.InTx(ctx, func(ctx context.Context, tx pg.Tx) error {
		before, err := customer.LiftGrade(ctx, tx, who)
		switch {
		case err != nil:
			return err
		case before == risk.GradeNormal:
			return errNotGraded
		}
		record.Reason = fmt.Sprintf("grade %d %s", before, record.Reason)
		return events.Emit(ctx, tx, liftFunction, who, record)
	})
	if err != nil {
		return "", fmt.Errorf("lift: %w", err)
	}
	return record.Trace, nil
}

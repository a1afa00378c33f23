package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
	"github.com/tidebank/tidebank/shared/customer"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/otp"
	"github.com/tidebank/tidebank/shared/password"
	"github.com/tidebank/tidebank/shared/pg"
)

const unlockFunction = "tide-login-unlock" // the function's name in the access record

// loginCommand holds the commands about log-ins.
func loginCommand() *cobra.Command {
	var o order
	unlock := &cobra.Command{
		Use:   "unlock --phone NUMBER --reason TEXT --operator NAME",
		Short: "Lift what bars a number from log-in and sign-up, and reset its quotas of codes", Args: cobra.NoArgs,
		Long: `Lift the lock and the freeze of a number's log-ins, and reset its quotas of codes. Lift
the bar of a sign-up that has failed too often, too.

Strangers can use up the codes that a number has for unknown devices in 24 hours. Then
the customer can't sign up or log in on a new phone. The reset lets the customer ask again.

The command leaves an access record in the same transaction: operator, reason, time,
customer, this computer's name, and the address that the database sees.
It changes nothing when nothing is locked or barred and no code of the last 24 hours counts.
It reads DATABASE_URL and KEYS_FILE.`,
		Example: `  go run ./infra/tide login unlock --phone 13800010001 --reason "came to the branch" --operator wang`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd, "Unlocked", unlockLogin) },
	}
	o.flags(unlock, "mobile number that is locked or barred, or has no codes left")
	parent := group("login", "Help customers to log in")
	parent.AddCommand(unlock)
	return parent
}

// unlockLogin lifts the lock, the freeze and the bar of the sign-up, resets the quotas of
// codes, and emits the access record in the same transaction. It returns the record's
// trace. It returns password.ErrNotLocked for a number, known or unknown, that is neither
// locked nor barred and has no code that counts.
//
// Source: AUTH-010, AUDIT-006.
func unlockLogin(ctx context.Context, h *host.Host, o order) (string, error) {
	ctx, who, record, err := o.record(ctx, h, unlockFunction, "auth", "unlocked")
	if err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	index := customer.PhoneIndex(h.Keys, o.phone)
	now := h.Clock.Now()
	counted, err := otp.QuotasInUse(ctx, h.DB.Reader(), index, now)
	if err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	bar, barred, err := signUpBar(ctx, h, who, now)
	if err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	lift := func(locked bool) error {
		var unit pg.Unit
		if locked {
			password.Unlock(&unit, index, now)
		}
		otp.Reset(&unit, index)
		bar.Lift(&unit)
		if err := events.Emit(ctx, &unit, unlockFunction, who, record); err != nil {
			return err
		}
		return h.DB.Commit(ctx, &unit)
	}
	err = lift(true)
	if errors.Is(err, password.ErrNotLocked) && (counted || barred) {
		err = lift(false)
	}
	if err != nil {
		return "", fmt.Errorf("unlock: %w", err)
	}
	return record.Trace, nil
}

// signUpBar finds what bars the customer from signing up, and whether it does. It is empty
// for nobody.
func signUpBar(ctx context.Context, h *host.Host, who uuid.UUID, now time.Time) (password.SignUpBar, bool, error) {
	if who == uuid.Nil {
		return password.SignUpBar{}, false, nil
	}
	idNo, cards, err := customer.SignUpNumbers(ctx, h.DB.Reader(), who)
	if err != nil {
		return password.SignUpBar{}, false, err
	}
	bar := password.SignUpBar{IDNo: idNo, Cards: cards}
	barred, err := bar.Holds(ctx, h.DB.Reader(), now)
	return bar, barred, err
}

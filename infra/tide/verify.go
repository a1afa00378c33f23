package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/functions/audit"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/ledger"
)

var errLedger = errors.New("the ledger is not sound")

// ledgerCommand holds the commands about the ledger.
func ledgerCommand() *cobra.Command {
	verify := verifyCommand("Check sums, numbers and MACs of the whole ledger", keys.Ledger, verifyLedger)
	verify.Long = `Check the whole ledger in one snapshot. It changes nothing.

All balances sum to zero, and each balance is the sum of its entries. The entries of
each account have numbers without gaps, and each running balance is the previous one
plus the amount. Each posting has its two entries, and its MAC holds.
It reads DATABASE_URL and KEYS_FILE.` + exitHelp
	parent := group("ledger", "Check the ledger")
	parent.AddCommand(verify)
	return parent
}

// auditCommand holds the commands about the audit chain.
func auditCommand() *cobra.Command {
	verify := verifyCommand("Check the whole audit chain", keys.Audit, verifyAudit)
	verify.Long = `Check the whole audit chain. It changes nothing.

The command prints the length of the chain and the hash of its last record. Note both
in another system: a chain that is shorter later, or has another hash there, was
changed. It reads DATABASE_URL and KEYS_FILE.` + exitHelp
	parent := group("audit", "Check and archive the audit chain")
	parent.AddCommand(verify, archiveCommand())
	return parent
}

// verifyCommand is a command that reads with the keys of one purpose and prints its
// result.
func verifyCommand(
	short string, purpose keys.Purpose, verify func(context.Context, *host.Host, *meter) (string, error),
) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := openHost(cmd.Context(), purpose)
			if err != nil {
				return err
			}
			defer h.Close()
			result, err := verify(cmd.Context(), h, newMeter(cmd))
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintln(cmd.OutOrStdout(), result); err != nil {
				return fmt.Errorf("print: %w", err)
			}
			return nil
		},
	}
}

func verifyLedger(ctx context.Context, h *host.Host, m *meter) (string, error) {
	checked := 0
	report, err := ledger.Verify(ctx, h.DB, func(id string, sum []byte, parts ...[]byte) error {
		checked++
		m.say("the sums are compared; checked the MACs of %d postings", checked)
		return h.Keys.VerifyMAC(keys.Ledger, id, sum, parts...)
	})
	if err != nil {
		return "", err
	}
	if !report.Sound() {
		return "", fault(fmt.Errorf("%w: %+v", errLedger, report))
	}
	return fmt.Sprintf("The ledger is sound: %d postings.", report.Postings), nil
}

func verifyAudit(ctx context.Context, h *host.Host, _ *meter) (string, error) {
	chain, err := audit.Verify(ctx, h.DB, h.Keys)
	if errors.Is(err, audit.ErrBroken) {
		return "", fault(err)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("The audit chain holds: %d records (%d of before the key), last hash %x.",
		chain.Length, chain.Plain, chain.Last), nil
}

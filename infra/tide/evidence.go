package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/shared/bankerr"
	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// evidenceCommand holds the commands about what customers have signed and changed.
func evidenceCommand() *cobra.Command {
	parent := group("evidence", "Export and check evidence of what customers have signed and changed")
	parent.AddCommand(evidenceList(), evidenceExport(), evidenceVerify())
	return parent
}

func evidenceExport() *cobra.Command {
	var text, out string
	c := &cobra.Command{
		Use: "export --id ID --out FILE", Args: cobra.NoArgs,
		Short: "Write the evidence of one operation to a file",
		Long: `Write the evidence of one operation to FILE, of mode 0600. The command overwrites no file.

ID is the id of the transfer, of the confirmed intent or of the change (evidence list). The file of a signed operation holds
the signed text, the signature, the certificate with its chain, the revocation list and the time: all that "tide evidence
verify" needs, besides the roots and the key file. The file of a change holds what the bank has signed, the bank's signature
and its certificate; it needs the key file only. The command reads DATABASE_URL and KEYS_FILE.`,
		Example: "  go run ./infra/tide evidence export --id 01936000-… --out evidence.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := uuid.Parse(text)
			if err != nil {
				return fmt.Errorf("--id: %w", err)
			}
			h, err := openHost(cmd.Context(), keys.Storage)
			if err != nil {
				return err
			}
			defer h.Close()
			text, err := evidenceOf(cmd.Context(), h, id)
			if err != nil {
				return err
			}
			if err := writeEvidence(out, text); err != nil {
				return err
			}
			return printf(cmd, "Wrote the evidence of %s to %s.\n", id, out)
		},
	}
	requireFlag(c, &text, "id", "id of the transfer or intent")
	requireFlag(c, &out, "out", "path of the new file")
	return c
}

// evidenceOf returns the evidence with the id as the text of a file: of an operation that the customer has signed, or else
// of a change that the bank has signed.
func evidenceOf(ctx context.Context, h *host.Host, id uuid.UUID) ([]byte, error) {
	record, err := evidence.Read(ctx, h.DB.Reader(), h.Keys, id)
	if err == nil {
		return record.Encode()
	}
	if !errors.Is(err, bankerr.ErrNotFound) {
		return nil, err
	}
	change, err := evidence.ReadChange(ctx, h.DB.Reader(), h.Keys, id)
	if err != nil {
		return nil, err
	}
	return change.EncodeChange()
}

func evidenceList() *cobra.Command {
	var customer string
	c := &cobra.Command{
		Use: "list --customer ID", Args: cobra.NoArgs,
		Short:   "List the changes of a customer that have evidence",
		Long:    "List the newest 1,000 changes of a customer, the newest first: id, time and function. It reads DATABASE_URL.",
		Example: "  go run ./infra/tide evidence list --customer 01936000-…",
		RunE: func(cmd *cobra.Command, _ []string) error {
			id, err := uuid.Parse(customer)
			if err != nil {
				return fmt.Errorf("--customer: %w", err)
			}
			h, err := openHost(cmd.Context(), keys.Storage)
			if err != nil {
				return err
			}
			defer h.Close()
			list, err := evidence.ChangesOf(cmd.Context(), h.DB.Reader(), id)
			if err != nil {
				return err
			}
			for _, one := range list {
				if err := printf(cmd, "%s  %s  %s\n", one.ID, one.SignedAt.UTC().Format(time.RFC3339), one.Operation); err != nil {
					return err
				}
			}
			return nil
		},
	}
	requireFlag(c, &customer, "customer", "id of the customer")
	return c
}

func writeEvidence(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("evidence: %w", err)
	}
	return nil
}

func evidenceVerify() *cobra.Command {
	var roots string
	c := &cobra.Command{
		Use: "verify FILE [--roots FILE]", Args: cobra.ExactArgs(1),
		Short: "Check the evidence in a file, without a database and a network",
		Long: `Check the evidence in FILE. It changes nothing, and needs no database and no network.

The evidence of a change needs no roots: the bank must have signed it, by one of the keys in the key file, and each signature
of the customer's in it must hold. For an operation that the customer has signed, --roots names the roots that the bank
trusted. The customer's signature must be over the text, the roots must have led to the certificate at the time of the record, the
revocation list of that time must be of its authority and not name it, and the bank's MAC must cover all of it. So each
byte of the file counts. It reads KEYS_FILE.` + exitHelp,
		Example: "  go run ./infra/tide evidence verify evidence.json --roots roots.pem",
		RunE: func(cmd *cobra.Command, args []string) error {
			needs := host.Needs{Purposes: []keys.Purpose{keys.Evidence}}
			config, err := host.LoadConfig(host.Environment, needs)
			if err != nil {
				return err
			}
			h, err := host.Open(cmd.Context(), config, needs)
			if err != nil {
				return err
			}
			defer h.Close()
			result, err := verifyEvidence(args[0], roots, h.Keys)
			if err != nil {
				return err
			}
			return printf(cmd, "%s\n", result)
		},
	}
	c.Flags().StringVar(&roots, "roots", "", "file with the roots that the bank trusted, PEM")
	return c
}

func verifyEvidence(path, roots string, ring *keys.Ring) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("evidence: %w", err)
	}
	if change, err := evidence.DecodeChange(text); err == nil {
		signed, err := change.VerifyChange(ring)
		if err != nil {
			return "", fault(err)
		}
		return fmt.Sprintf("The evidence holds: the customer %s has changed by %s %s, proved by %s, at %s.", signed.CustomerID,
			signed.Operation, signed.ID, strings.Join(signed.Factors, " and "), signed.At.Format(time.RFC3339Nano)), nil
	}
	pem, err := os.ReadFile(roots)
	if err != nil {
		return "", fmt.Errorf("roots: %w", err)
	}
	trusted, err := sm.ParseRoots(pem)
	if err != nil {
		return "", fmt.Errorf("roots: %w", err)
	}
	record, err := evidence.Decode(text)
	if err == nil {
		err = record.Verify(trusted, ring)
	}
	if err != nil {
		return "", fault(err)
	}
	return fmt.Sprintf("The evidence holds: the customer %s has signed for %s %s, checked at %s.", record.CustomerID,
		record.Operation, record.ID, record.VerifiedAt.Format(time.RFC3339Nano)), nil
}

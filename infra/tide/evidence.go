package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/shared/evidence"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
	"github.com/tidebank/tidebank/shared/sm"
)

// evidenceCommand holds the commands about what customers have signed.
func evidenceCommand() *cobra.Command {
	parent := group("evidence", "Export and check evidence of what customers have signed")
	parent.AddCommand(evidenceExport(), evidenceVerify())
	return parent
}

func evidenceExport() *cobra.Command {
	var text, out string
	c := &cobra.Command{
		Use: "export --id ID --out FILE", Args: cobra.NoArgs,
		Short: "Write the evidence of one operation to a file",
		Long: `Write the evidence of one operation to FILE, of mode 0600. The command overwrites no file.

ID is the id of the transfer or of the confirmed intent. The file holds the signed text, the signature, the certificate with
its chain, the revocation list and the time: all that "tide evidence verify" needs, besides the roots and the key file. It
reads DATABASE_URL and KEYS_FILE.`,
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
			record, err := evidence.Read(cmd.Context(), h.DB.Reader(), h.Keys, id)
			if err != nil {
				return err
			}
			if err := writeEvidence(out, record); err != nil {
				return err
			}
			return printf(cmd, "Wrote the evidence of %s to %s.\n", id, out)
		},
	}
	requireFlag(c, &text, "id", "id of the transfer or intent")
	requireFlag(c, &out, "out", "path of the new file")
	return c
}

func writeEvidence(path string, record evidence.Record) error {
	text, err := record.Encode()
	if err != nil {
		return err
	}
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
		Use: "verify FILE --roots FILE", Args: cobra.ExactArgs(1),
		Short: "Check the evidence in a file, without a database and a network",
		Long: `Check the evidence in FILE. It changes nothing, and needs no database and no network.

The customer's signature must be over the text, the roots must have led to the certificate at the time of the record, the
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
	requireFlag(c, &roots, "roots", "file with the roots that the bank trusted, PEM")
	return c
}

func verifyEvidence(path, roots string, ring *keys.Ring) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("evidence: %w", err)
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

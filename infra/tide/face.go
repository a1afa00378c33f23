package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/face"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
)

var errDays = errors.New("--days must be 1 to 30")

// faceCommand holds the commands about face checks.
func faceCommand() *cobra.Command {
	parent := group("face", "Show the versions that check faces, and move what an earlier release has stored")
	parent.AddCommand(faceVersions(), faceSeparate())
	return parent
}

func faceVersions() *cobra.Command {
	var days int
	c := &cobra.Command{
		Use: "versions [--days N]", Short: "List the versions of face engine, SDK and anti-attack model in use", Args: cobra.NoArgs,
		Long: `List the versions of face engine, SDK and anti-attack model that have made results in the last days, with the number of
checks and the time of the last one. The latest comes first. It changes nothing and reads DATABASE_URL.

Withdraw a version with FACE_WITHDRAWN (docs/face.md). The bank uses no result of such a version.`,
		Example: "  go run ./infra/tide face versions --days 1",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if days < 1 || days > 30 {
				return errDays
			}
			h, err := openHost(cmd.Context())
			if err != nil {
				return err
			}
			defer h.Close()
			return printVersions(cmd, h, days)
		},
	}
	c.Flags().IntVar(&days, "days", 7, "how many days to look back, 1 to 30")
	return c
}

func printVersions(cmd *cobra.Command, h *host.Host, days int) error {
	list, err := face.ListVersions(cmd.Context(), h.DB.Reader(), h.Clock.Now().Add(-time.Duration(days)*24*time.Hour))
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return printf(cmd, "No face engine has answered in this time.\n")
	}
	for _, v := range list {
		err := printf(cmd, "engine %-20s sdk %-20s model %-24s %8d checks, the last at %s\n",
			v.Engine, v.SDK, v.Model, v.Checks, v.LastAt.In(clock.Shanghai).Format(time.RFC3339))
		if err != nil {
			return err
		}
	}
	return nil
}

func faceSeparate() *cobra.Command {
	var finish bool
	c := &cobra.Command{
		Use: "separate [--finish]", Short: "Move what an earlier release has stored of faces into the biometric store", Args: cobra.NoArgs,
		Long: `Bring the references that an earlier release has stored beside customers' ids into the biometric store, sealed and under
pseudonyms. Run it after the migrations, and before the functions of this release take calls.

With --finish, the digests of templates move too, and what has moved goes. Run this when no instance of the earlier
release is left: such an instance finds no reference any more. The command takes 500 rows in each transaction, may be stopped
and run again, and runs beside the bank. It reads DATABASE_URL and KEYS_FILE.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := openHost(cmd.Context(), keys.Biometric, keys.Pseudonym)
			if err != nil {
				return err
			}
			defer h.Close()
			run := face.Separation{DB: h.DB, Ring: h.Keys, Finish: finish}
			if err := run.Separate(cmd.Context()); err != nil {
				return err
			}
			return printf(cmd, "Moved %d references and %d digests.\n", run.References, run.Digests)
		},
	}
	c.Flags().BoolVar(&finish, "finish", false, "also move digests, and delete what has moved")
	return c
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/functions/audit"
	"github.com/tidebank/tidebank/infra/archive"
	"github.com/tidebank/tidebank/infra/aws"
	"github.com/tidebank/tidebank/shared/clock"
	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
)

// archiveCommand copies the audit chain to a bucket with object lock.
func archiveCommand() *cobra.Command {
	var bucket string
	c := &cobra.Command{
		Use: "archive [--bucket NAME]", Short: "Archive new audit records in an S3 bucket with object lock", Args: cobra.NoArgs,
		Long: `Archive the audit records that the archive lacks, in an S3 bucket with object lock. It deletes nothing.

The command checks the whole chain first, and that it continues the archive. Each object holds at most 10,000 records as
JSON lines. Nobody can change or delete an object for ten years. Run it each day. It reads DATABASE_URL, KEYS_FILE and
AWS' settings (docs/configuration.md).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var config cloud.Config
			if err := host.Environment(&config); err != nil {
				return err
			}
			sdk, err := config.SDK()
			if err != nil {
				return err
			}
			list, err := aws.Read()
			if err != nil {
				return err
			}
			h, err := openHost(cmd.Context(), keys.Audit)
			if err != nil {
				return err
			}
			defer h.Close()
			to := archive.New(sdk, bucket, lockDays(list), clock.System{}.Now)
			segments, err := audit.Archive(cmd.Context(), h.DB, h.Keys, to)
			for _, s := range segments { // also those before an error
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: records %d to %d\n", s.Name, s.First, s.Last); err != nil {
					return fmt.Errorf("print: %w", err)
				}
			}
			return err
		},
	}
	c.Flags().StringVar(&bucket, "bucket", aws.AuditArchive, "name of the bucket, if the installation gives it another name")
	return c
}

// lockDays is how long the list keeps an object of the archive.
func lockDays(list aws.Inventory) (days int) {
	for _, b := range list.Buckets {
		if b.Name == aws.AuditArchive {
			days = b.ObjectLockDays
		}
	}
	return days
}

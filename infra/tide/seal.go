package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/shared/cloud"
	"github.com/tidebank/tidebank/shared/host"
	"github.com/tidebank/tidebank/shared/keys"
)

var errNoKeys = errors.New("no function or worker of this name has keys")

// sealCommand makes the key file of one process, sealed by KMS.
func sealCommand() *cobra.Command {
	var key string
	var order keys.Sealing
	c := &cobra.Command{
		Use: "seal --file PATH --kms-key ARN --process NAME --out PATH", Args: cobra.NoArgs,
		Short: "Make the key file of one process, whose root AWS KMS has sealed",
		Long: `Make a key file for one process from the bank's key file.

The new file holds only the keys of the purposes that the process declares, under a root key of its own. KMS has made
this root and opens it only for the encryption context {"bank": "tidebank", "process": NAME}. So the new file holds no
key in clear, and a policy on this context keeps each process from the files of the others (docs/aws.md). The process
opens the file when it starts. Seal again after each change of the bank's key file. The command reads AWS' settings
from the environment (docs/configuration.md).`,
		Example: "  go run ./infra/tide keys seal --file keys.json --kms-key arn:aws:kms:eu-central-1:123456789012:key/0f1e… \\\n" +
			"    --process transfer-confirm --out transfer-confirm.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var config cloud.Config
			if err := host.Environment(&config); err != nil {
				return err
			}
			order.Key, order.Purposes = cloud.KeyARN(key), purposesOf(order.Process)
			if len(order.Purposes) == 0 {
				return fmt.Errorf("%w: %s", errNoKeys, order.Process)
			}
			if err := keys.Seal(cmd.Context(), cloud.New(config), order); err != nil {
				return err
			}
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "Made %s with the keys of %v.\n", order.To, order.Purposes); err != nil {
				return fmt.Errorf("tell what was made: %w", err)
			}
			return nil
		},
	}
	requireFlag(c, &order.From, "file", "path of the bank's key file")
	requireFlag(c, &key, "kms-key", "ARN of a symmetric key in KMS")
	requireFlag(c, &order.Process, "process", "name of the function or worker")
	requireFlag(c, &order.To, "out", "path of the new key file")
	return c
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/infra/deployment"
)

var errDeployment = errors.New("the deployment is not as the bank needs it")

// deploymentCommand holds the commands about the description of the hosting sites.
func deploymentCommand() *cobra.Command {
	check := &cobra.Command{
		Use: "check FILE", Short: "Check the description of the hosting sites", Args: cobra.ExactArgs(1),
		Long: `Check the description of the hosting sites (form: infra/deployment/example.yaml).

Each site states its tested backup power, more than one hour, with day and record. Each key
network device, line and data-processing system has two instances in different failure
domains. It exits with 1 and a sentence for each thing that is missing.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := deployment.Load(args[0])
			if err != nil {
				return err
			}
			list := d.Check(time.Now())
			for _, sentence := range list {
				_, _ = fmt.Fprintln(cmd.ErrOrStderr(), sentence) // a lost line does no harm: the exit code tells
			}
			if len(list) > 0 {
				return errDeployment
			}
			return nil
		},
	}
	parent := group("deployment", "Check where the bank runs")
	parent.AddCommand(check)
	return parent
}

// Command release makes a release of the bank, or says why not.
//
//	go run ./infra/release make --version v1.2.0 --trust DIR --vulndb DIR
//	go run ./infra/release show --version v1.2.0 [--name transfer-confirm]
//	go run ./infra/release check
//	go run ./infra/release scan [--if-due]
//	go run ./infra/release overdue
//	go run ./infra/release review COMMITS --as NAME --key FILE
//	go run ./infra/release sign RECORD --key FILE
//	go run ./infra/release key FILE
//
// docs/release.md describes the procedure. If a command refuses, it prints each reason
// with its cure, and exits with 1.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/infra/release/gate"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1) // cobra has printed the error
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{Use: "release", Short: "Make a release of the bank, or say why not", SilenceUsage: true}
	root.AddCommand(
		makeCommand(), showCommand(), checkCommand(), scanCommand(), overdueCommand(), reviewCommand(), signCommand(), keyCommand(),
	)
	return root
}

func makeCommand() *cobra.Command {
	var o gate.Order
	c := &cobra.Command{
		Use: "make", Short: "Run all stages and checks, and write the release's folder", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Now, o.Log = time.Now(), cmd.OutOrStdout()
			m, err := gate.Make(cmd.Context(), o)
			report(cmd.ErrOrStderr(), m.Problems)
			if err != nil {
				return err
			}
			word := "release"
			if m.Candidate {
				word = "candidate, for tests only"
			}
			_, err = fmt.Fprintf(o.Log, "%s of commit %s: %s, %d images, in %s\n", m.Version, m.Commit, word, len(m.Images), o.Out)
			return wrap(err)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.Version, "version", "", "v1.2.3, or v1.2.3-rc.1 for a candidate")
	flags.StringVar(&o.Root, "root", ".", "the source")
	flags.StringVar(&o.Out, "out", "build/release", "the folder of all releases")
	flags.StringVar(&o.Trust, "trust", "", "the folder with trust.yaml and records; keep it outside of the source")
	flags.StringVar(&o.Advisories, "vulndb", "", "the folder of the list of vulnerabilities (OSV)")
	for _, name := range []string{"version", "trust", "vulndb"} {
		_ = c.MarkFlagRequired(name) // fails only for an unknown flag
	}
	return c
}

var errProblems = errors.New("there are problems")

// checkCommand checks in seconds what each commit must hold.
func checkCommand() *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "check", Short: "Check plan, components and test data, in seconds", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := gate.Check(cmd.Context(), root)
			if err != nil {
				return err
			}
			if report(cmd.ErrOrStderr(), list); len(list) > 0 {
				return errProblems
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The plan is whole, each component is assessed, and test data are of reserved ranges.")
			return wrap(err)
		},
	}
	c.Flags().StringVar(&root, "root", ".", "the source")
	return c
}

func scanCommand() *cobra.Command {
	var s gate.Scan
	var ifDue bool
	c := &cobra.Command{
		Use: "scan", Short: "Scan the source for secrets, vulnerabilities and faults, without a release", Args: cobra.NoArgs,
		Long: `Scan the source for secrets, vulnerabilities and faults, without a release.

Let a scheduler run "release scan --if-due" every day: it scans when the interval of
infra/release/plan.yaml has passed. "release overdue" reports a scan that did not happen.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.Now, s.Log = time.Now(), cmd.OutOrStdout()
			done, err := s.Run(cmd.Context(), ifDue)
			report(cmd.ErrOrStderr(), done.Problems)
			return err
		},
	}
	c.Flags().StringVar(&s.Root, "root", ".", "the source")
	c.Flags().StringVar(&s.Out, "out", "build/scans", "the folder of the scans")
	c.Flags().StringVar(&s.Advisories, "vulndb", "", "the folder of the list of vulnerabilities; empty: Go's own, by the network")
	c.Flags().BoolVar(&ifDue, "if-due", false, "only if the interval has passed")
	return c
}

func overdueCommand() *cobra.Command {
	var root, scans string
	c := &cobra.Command{
		Use: "overdue", Short: "Report a scan that did not happen in time", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, _, err := gate.LoadPlan(root)
			if err != nil {
				return err
			}
			list, err := gate.Overdue(scans, plan.ScanEveryDays, time.Now())
			if err != nil {
				return err
			}
			if report(cmd.ErrOrStderr(), list); len(list) > 0 {
				return errProblems
			}
			return nil
		},
	}
	c.Flags().StringVar(&root, "root", ".", "the source")
	c.Flags().StringVar(&scans, "out", "build/scans", "the folder of the scans")
	return c
}

// report prints each problem with its cure.
func report(to io.Writer, list []gate.Problem) {
	for _, p := range list {
		_, _ = fmt.Fprintln(to, p) // a lost line does no harm: the exit code tells
	}
}

func wrap(err error) error {
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

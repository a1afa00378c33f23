// Command gen generates files from the functions and workers. From the source tree it
// writes both registries and the mains. Then it runs gen/describe, which imports the
// registries and writes the documents, the schemas and the client's methods. Run it
// from the repository's root.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/tidebank/tidebank/events"
)

func main() {
	root := &cobra.Command{
		Use: "gen", Short: "Generate the registry, mains, index, API reference and schemas", SilenceUsage: true,
		Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return generate() },
	}
	root.AddCommand(&cobra.Command{
		Use: "check", Short: "Fail if a generated file is stale", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return verify() },
	})
	var o order
	create := &cobra.Command{
		Use: "new", Short: "Scaffold a function or a worker", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return scaffold(o) },
	}
	create.Flags().StringVar(&o.domain, "domain", "", "the domain, e.g. transfer")
	create.Flags().StringVar(&o.op, "op", "", "the operation, e.g. cancel")
	create.Flags().StringVar(&o.trigger, "trigger", "query", "query, command, confirm, event or worker")
	create.Flags().StringVar(&o.event, "event", events.TypeTransferPosted, "the type that an event function consumes")
	root.AddCommand(create)
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}

func generate() error {
	files, err := sources(".")
	if err != nil {
		return err
	}
	if err := files.Write(); err != nil {
		return err
	}
	if err := removeStrays(files); err != nil {
		return err
	}
	return describe()
}

func verify() error {
	files, err := sources(".")
	if err != nil {
		return err
	}
	if err := files.Check(); err != nil {
		return err
	}
	return describe("-check")
}

func describe(args ...string) error {
	cmd := exec.Command("go", append([]string{"run", "./infra/gen/describe"}, args...)...) //nolint:gosec,noctx // our own program
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	return nil
}

// Command gen makes what is made from the functions: the registry and one main
// per function from the source tree, then (gen/describe, which imports that
// registry) the function index, the API reference, the error list and the event
// schemas. Run it from the repository's root.
package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
)

func main() {
	root := &cobra.Command{
		Use: "gen", Short: "Generate the registry, mains, index, API reference and schemas", SilenceUsage: true,
		Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return generate() },
	}
	root.AddCommand(&cobra.Command{
		Use: "check", Short: "Fail if a generated file is stale", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return check() },
	})
	var domain, op string
	scaffold := &cobra.Command{
		Use: "new", Short: "Scaffold a function", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return scaffoldFunction(domain, op) },
	}
	scaffold.Flags().StringVar(&domain, "domain", "", "the domain, e.g. transfer")
	scaffold.Flags().StringVar(&op, "op", "", "the operation, e.g. cancel")
	root.AddCommand(scaffold)
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

func check() error {
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

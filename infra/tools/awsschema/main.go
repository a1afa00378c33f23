// Command awsschema is a provider of Terraform that knows the schema of the AWS provider and never calls AWS. `make
// tf-check` uses it where the registry of providers is out of reach: OpenTofu then checks every name, type and required
// argument of terraform/ against the schema of the real provider. For the tests it invents what AWS would answer.
//
// The schema comes from the npm package @cdktf/provider-aws, which is generated from it:
//
//	awsschema extract PACKAGE.tgz SCHEMA   reads the package and writes the schema
//	awsschema                              serves SCHEMA beside the program, as OpenTofu starts it
//
// It has the names, types, nesting, and what is required, optional or computed. It lacks the provider's own checks of
// values, such as the numbers of days that CloudWatch knows, and which arguments exclude each other.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
)

// address is the provider that this one stands for.
const address = "registry.opentofu.org/hashicorp/aws"

// beside is the name of the schema in the folder of the program.
const beside = "schema.json.gz"

// only is the variable that names the types to serve, if not all.
const only = "AWSSCHEMA_ONLY"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "awsschema:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 3 && args[0] == "extract" {
		schema, err := extract(args[1])
		if err != nil {
			return err
		}
		fmt.Printf("%d resources, %d data sources\n", len(schema.Resources), len(schema.Data))
		return schema.write(args[2])
	}
	if len(args) != 0 {
		return fmt.Errorf("usage: awsschema extract PACKAGE.tgz SCHEMA")
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	schema, err := read(filepath.Join(filepath.Dir(program), beside), strings.Fields(os.Getenv(only)))
	if err != nil {
		return err
	}
	made := &atomic.Int64{}
	return tf5server.Serve(address, func() tfprotov5.ProviderServer { return &server{schema: schema, made: made} })
}

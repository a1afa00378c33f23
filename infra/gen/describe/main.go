// Command describe writes what only the compiled functions can tell: the function
// index, the OpenAPI description, the error list and the event schemas.
package main

import (
	"flag"
	"log"

	"github.com/tidebank/tidebank/functions"
	"github.com/tidebank/tidebank/infra/gen/output"
)

func main() {
	check := flag.Bool("check", false, "fail if a file is stale instead of writing it")
	flag.Parse()
	all := functions.All()
	files := output.Files{
		"functions/README.md": index(all),
		"docs/errors.md":      errorList(all),
	}
	api, err := openAPI(all)
	if err != nil {
		log.Fatal(err)
	}
	files["docs/openapi.json"] = api
	if err := schemas(files); err != nil {
		log.Fatal(err)
	}
	if *check {
		err = files.Check()
	} else {
		err = files.Write()
	}
	if err != nil {
		log.Fatal(err)
	}
}

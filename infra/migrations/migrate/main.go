// Command migrate brings the database at DATABASE_URL up to the current schema.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tidebank/tidebank/infra/migrations"
)

func main() {
	url := os.Getenv("DATABASE_URL")
	if url == "" {
		fmt.Fprintln(os.Stderr, "migrate: set DATABASE_URL")
		os.Exit(2)
	}
	if err := migrations.Up(context.Background(), url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("migrated")
}

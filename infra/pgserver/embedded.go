package pgserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
	"github.com/jackc/pgx/v5"
)

// downloaded is the version that download fetches.
const downloaded = embeddedpostgres.V18

func downloadedMajor() int {
	text, _, _ := strings.Cut(string(downloaded), ".")
	return major(text)
}

// download fetches the server's programs once into the folder pgbin of config.Dir. The
// library can only fetch and start, so download lets it start on data of its own, which
// it removes. As root that start fails, but the programs are there.
func download(config Config) (bin string, err error) {
	home := filepath.Join(config.Dir, "pgbin")
	bin = filepath.Join(home, "bin")
	if exists(bin) {
		return bin, nil
	}
	port, err := freePort(context.Background())
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return "", fmt.Errorf("pgserver: %w", err)
	}
	scratch, err := os.MkdirTemp(config.Dir, "pgruntime-")
	if err != nil {
		return "", fmt.Errorf("pgserver: %w", err)
	}
	defer os.RemoveAll(scratch) // what is left does no harm
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().Version(downloaded).Port(uint32(port)).
		DataPath(filepath.Join(scratch, "data")).RuntimePath(filepath.Join(scratch, "runtime")).
		BinariesPath(home).Logger(config.Log))
	err = server.Start()
	if err == nil {
		err = server.Stop()
	}
	if exists(bin) {
		return bin, nil
	}
	return "", fmt.Errorf("pgserver: download: %w", err)
}

func exists(bin string) bool {
	_, err := os.Stat(filepath.Join(bin, "postgres"))
	return err == nil
}

func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return conn.Close(ctx) //nolint:wrapcheck // Start only tests that the server answers
}

// Ensure creates the database if the server does not have it.
func (s *Server) Ensure(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	defer conn.Close(ctx) // a failed close loses no data
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", database).Scan(&exists)
	if err != nil || exists {
		return err //nolint:wrapcheck // the error names the step already
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()); err != nil {
		return fmt.Errorf("pgserver: %w", err)
	}
	return nil
}

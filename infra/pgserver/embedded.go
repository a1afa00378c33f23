package pgserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
	"github.com/jackc/pgx/v5"
)

// startEmbedded downloads a server once and runs it.
func startEmbedded(config Config) (*Server, error) {
	if os.Geteuid() == 0 {
		return nil, fmt.Errorf("%w; as root it can't be downloaded and run: install PostgreSQL 15 or later", ErrNotFound)
	}
	port, err := freePort(context.Background())
	if err != nil {
		return nil, err
	}
	s := &Server{dir: config.Dir, port: port, keep: config.Persistent}
	settings := embeddedpostgres.DefaultConfig().Port(uint32(port)).Username("postgres").Password("postgres").
		DataPath(s.data()).RuntimePath(filepath.Join(config.Dir, "pgruntime")).
		StartParameters(config.Settings).Logger(config.Log)
	server := embeddedpostgres.NewDatabase(settings)
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("pgserver: embedded: %w", err)
	}
	s.stop = server.Stop
	s.url = "postgres://postgres:postgres@127.0.0.1"
	return s, nil
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

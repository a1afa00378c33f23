// Command bare is the reference for cold starts: a minimal HTTP server with
// PostgreSQL. It opens one connection, listens, and answers each request with the
// result of SELECT 1.
//
// It reads PORT and DATABASE_URL. An interrupt or SIGTERM ends it.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
)

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	// One request at a time, because requests do not share the connection.
	answer := func(w http.ResponseWriter, r *http.Request) {
		var one int
		if err := conn.QueryRow(r.Context(), "SELECT 1").Scan(&one); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, one)
	}
	server := &http.Server{
		Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: http.HandlerFunc(answer), ReadHeaderTimeout: time.Minute,
	}
	return fmt.Errorf("serve: %w", server.ListenAndServe())
}

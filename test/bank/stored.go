package bank

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidebank/tidebank/test/check"
)

// Tables are the names of the tables of the bank's database, quoted for SQL.
func (b *Bank) Tables(t testing.TB) []string {
	t.Helper()
	list := check.Column[string](t, b.Host.DB.Pool(),
		"SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
	if len(list) < 20 {
		t.Fatalf("only %d tables were found", len(list))
	}
	return list
}

// Message puts a message into a customer's inbox.
func (b *Bank) Message(t testing.TB, customer uuid.UUID, title string, at time.Time) uuid.UUID {
	t.Helper()
	id := uuid.New()
	b.Exec(t, `
INSERT INTO message (id, customer_id, event_id, kind, title, body, created_at) VALUES ($1, $2, $3, 'transfer.in', $4, '正文', $5)`,
		id, customer, id.String(), title, at)
	return id
}

// Stored is all that the bank's database stores, as one text for a search. Each value
// is a line. Bytes are not encoded, so that a text among them is found.
func (b *Bank) Stored(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, table := range b.Tables(t) {
		rows, err := b.Host.DB.Pool().Query(context.Background(), "SELECT * FROM "+table)
		check.Must(t, err)
		list, err := pgx.CollectRows(rows, pgx.RowToMap)
		check.Must(t, err)
		for _, row := range list {
			for _, column := range slices.Sorted(maps.Keys(row)) {
				value := row[column]
				if raw, ok := value.([]byte); ok {
					value = string(raw)
				}
				fmt.Fprintf(&all, "%s.%s=%v\n", table, column, value)
			}
		}
	}
	return all.String()
}

// Cached is each key and value of the bank's Redis, as one text for a search.
func (b *Bank) Cached(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	for _, key := range b.Redis.Keys() {
		switch b.Redis.Type(key) {
		case "string":
			value, err := b.Redis.Get(key)
			check.Must(t, err)
			fmt.Fprintln(&all, key, value)
		case "hash":
			fields, err := b.Redis.HKeys(key)
			check.Must(t, err)
			slices.Sort(fields)
			for _, field := range fields {
				fmt.Fprintln(&all, key, field, b.Redis.HGet(key, field))
			}
		default:
			t.Fatalf("%s is a %s, which Cached does not read", key, b.Redis.Type(key))
		}
	}
	return all.String()
}

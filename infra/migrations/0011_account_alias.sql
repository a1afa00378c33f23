-- why: customers give their accounts names of their own (ACCT-005); an account without one has the empty name.
-- +goose Up
ALTER TABLE account ADD COLUMN alias text NOT NULL DEFAULT '';

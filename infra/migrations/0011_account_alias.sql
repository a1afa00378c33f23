-- why: customers give their accounts aliases (ACCT-005); an account without an alias has the empty text.
-- +goose Up
ALTER TABLE account ADD COLUMN alias text NOT NULL DEFAULT '';

-- why: a customer may log in by an alias, so that no phone number is typed or shown (AUTH-027). The alias rests sealed under the
-- customer's data key, and its blind index finds the customer. No two customers have one alias.
-- +goose Up
ALTER TABLE customer
    ADD COLUMN alias_ct bytea NOT NULL DEFAULT '',
    ADD COLUMN alias_bidx bytea CONSTRAINT customer_alias_unique UNIQUE;

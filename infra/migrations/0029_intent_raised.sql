-- why: a customer whose grade was raised after the preparation adds the missing proof to the same intent.
-- +goose Up
-- An intent of before has none of these combinations: after a raise, the customer prepares it again.
ALTER TABLE intent ADD COLUMN raised_combinations text[] NOT NULL DEFAULT '{}';

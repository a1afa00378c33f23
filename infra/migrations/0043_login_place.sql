-- why: a login tells the customer from which place the login before it came (SESSION-005).
-- +goose Up
ALTER TABLE credential
    ADD COLUMN last_login_place     text NOT NULL DEFAULT 'unknown',
    ADD COLUMN previous_login_place text NOT NULL DEFAULT 'unknown';

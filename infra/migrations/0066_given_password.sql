-- why: a customer changes a login password that the bank has given, before anything else (PWD-004, PWD-015, PWD-016).
-- +goose Up
ALTER TABLE credential
    ADD COLUMN login_given boolean NOT NULL DEFAULT false, -- the bank has given the login password
    ADD COLUMN login_until timestamptz;                    -- a temporary password is good once, before; NULL: it is not temporary

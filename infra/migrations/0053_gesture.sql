-- why: a customer may set a gesture on a bound device, to log in by it there (AUTH-020, AUTH-026).
-- +goose Up
-- Both columns belong to the device's key: a new key has no gesture.
ALTER TABLE device
    ADD COLUMN gesture          text,                   -- stored like passwords; NULL: the customer has set none here
    ADD COLUMN gesture_failures int NOT NULL DEFAULT 0; -- guesses since the last right one or the last login by password

-- why: a customer logs in on a bound device by a PIN too, or by the soft UKey and the PIN (AUTH-004).
-- +goose Up
-- Both columns belong to the device's key, like the gesture.
ALTER TABLE device
    ADD COLUMN pin          text,                   -- stored like passwords; NULL: the customer has set none here
    ADD COLUMN pin_failures int NOT NULL DEFAULT 0; -- guesses since the last right one or the last login by password

INSERT INTO policy (name, valid_from, value) VALUES ('pin.lock_after', '2026-01-01', 5);

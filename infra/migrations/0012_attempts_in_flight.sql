-- why: a guess that is being compared is not yet wrong. Several right guesses at once must not lock a password or use up
-- a code. A second bound counts a day's wrong trade passwords.
-- +goose Up

-- Guesses that are counted and not yet compared. A call that ends without a result leaves its guess here; after a time
-- the guess counts as wrong.
ALTER TABLE credential
    ADD COLUMN trade_in_flight    int NOT NULL DEFAULT 0,
    ADD COLUMN trade_in_flight_at timestamptz,
    ADD COLUMN trade_day          date,
    ADD COLUMN trade_day_failures int NOT NULL DEFAULT 0;
ALTER TABLE otp_challenge
    ADD COLUMN in_flight    int NOT NULL DEFAULT 0,
    ADD COLUMN in_flight_at timestamptz;

-- Five wrong guesses in a row lock the trade password for half an hour. Ten on one day freeze it until the next day.
INSERT INTO policy (name, valid_from, value) VALUES ('trade_password.freeze_after', '2026-01-01', 10);

-- functions/ holds it with another result. A new database does not have it yet.
DROP FUNCTION IF EXISTS trade_password_count_attempt(uuid, timestamptz, date, uuid, text, text);

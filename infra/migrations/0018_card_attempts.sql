-- why: a card password of six digits must not be guessed over days, code after code.
-- +goose Up

-- Failed sign-ups that came with the right code, by card, identity number, or device and number (owner:
-- shared/password).
CREATE TABLE card_attempt (
    subject bytea PRIMARY KEY,                 -- digest of what counts
    failed  timestamptz[] NOT NULL,            -- within the policy's time
    last_at timestamptz NOT NULL
);
INSERT INTO policy (name, valid_from, value) VALUES
    ('register.attempts_max', '2026-01-01', 5),
    ('register.attempts_seconds', '2026-01-01', 604800);

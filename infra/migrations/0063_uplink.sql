-- why: a customer proves the reserved number by a text that it sends to the bank (OTP-008).
-- +goose Up
-- The text that a customer is to send for an intent, until a later one replaces it.
CREATE TABLE uplink_text (
    customer_id uuid PRIMARY KEY,
    intent_id   uuid NOT NULL,
    device_id   text NOT NULL,
    binding     bytea NOT NULL,       -- SM3 of the intent's text
    phone_bidx  bytea NOT NULL,       -- the number that must send it
    text_digest bytea NOT NULL,       -- SM3 of the number's index and the text
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL, -- when it can no longer arrive
    arrived_at  timestamptz           -- from the number
);
CREATE INDEX uplink_text_phone ON uplink_text (phone_bidx);
CREATE INDEX uplink_text_expires ON uplink_text (expires_at);

INSERT INTO policy (name, valid_from, value) VALUES ('uplink.life_seconds', '2026-01-01', 300);

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by)
VALUES ('uplink_sms', 5000000, 5000000, '2026-01-01 00:00+08', 'author of 0063', 'reviewer of 0063');

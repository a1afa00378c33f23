-- why: one budget bounds all text messages of the bank, so that an attack can't cost an unlimited sum; one-time codes
-- go before notices.
-- +goose Up
CREATE TABLE sms_use (
    span      text NOT NULL CONSTRAINT sms_use_span CHECK (span IN ('minute', 'day')),
    starts_at timestamptz NOT NULL,
    codes     bigint NOT NULL CONSTRAINT sms_use_codes CHECK (codes >= 0),
    notices   bigint NOT NULL CONSTRAINT sms_use_notices CHECK (notices >= 0),
    PRIMARY KEY (span, starts_at)
);
-- All texts, and the part of them that notices may take: the rest is for codes only.
INSERT INTO policy (name, valid_from, value) VALUES
    ('sms.minute_max', '2026-01-01', 2000),
    ('sms.minute_notices_max', '2026-01-01', 1000),
    ('sms.day_max', '2026-01-01', 500000),
    ('sms.day_notices_max', '2026-01-01', 300000);

-- why: one customer must not use up the bank's texts, notices about money must not use up those about security, and an
-- operator can reset a number's quotas of codes.
-- +goose Up

-- Texts about security have a budget of their own, beside the codes and the other notices. over_quota counts texts that
-- were not sent because their phone has had its maximum.
ALTER TABLE sms_use
    ADD COLUMN security   bigint NOT NULL DEFAULT 0 CONSTRAINT sms_use_security CHECK (security >= 0),
    ADD COLUMN over_quota bigint NOT NULL DEFAULT 0 CONSTRAINT sms_use_over_quota CHECK (over_quota >= 0);

-- The notices of the last 24 hours, of one kind to one phone (owner: shared/sms).
CREATE TABLE sms_quota (
    quota   bytea PRIMARY KEY,                 -- digest of the kind and the phone's blind index
    sent    timestamptz[] NOT NULL,
    last_at timestamptz NOT NULL
);
CREATE INDEX sms_quota_age ON sms_quota (last_at);

-- The number whose codes a quota counts. Quotas of before are without a number, and end after 24 hours.
ALTER TABLE otp_quota ADD COLUMN phone_bidx bytea;
CREATE INDEX otp_quota_phone ON otp_quota (phone_bidx);
DROP FUNCTION IF EXISTS otp_count(bytea, bigint, interval, timestamptz);

INSERT INTO policy (name, valid_from, value) VALUES
    ('sms.minute_security_max', '2026-01-01', 500),
    ('sms.day_security_max', '2026-01-01', 50000),
    ('sms.phone_minute_notices_max', '2026-01-01', 10),
    ('sms.phone_day_notices_max', '2026-01-01', 100),
    ('sms.phone_minute_security_max', '2026-01-01', 5),
    ('sms.phone_day_security_max', '2026-01-01', 20),
    -- codes to one number for unknown devices of one IPv6 block of 56 and of 48 bits
    ('otp.home_day_max', '2026-01-01', 8),
    ('otp.site_day_max', '2026-01-01', 12);

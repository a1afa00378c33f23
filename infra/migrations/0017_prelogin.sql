-- why: what a stranger does before login must not lock a customer's number or use up the customer's codes; pauses and
-- maxima of codes slide over midnight.
-- +goose Up

-- Failed log-ins by number and device (owner: shared/password). login_attempt counts only guesses that came with the
-- number's right code.
CREATE TABLE login_origin (
    phone_bidx   bytea NOT NULL,
    device_id    text NOT NULL,
    failures     int NOT NULL DEFAULT 0,       -- failures in a row since the last success or lock
    locked_until timestamptz,
    failed_at    timestamptz NOT NULL,
    PRIMARY KEY (phone_bidx, device_id)
);

-- The codes that the bank has sent in the last 24 hours, by who may use up the quota: the owner of an intent, a known
-- device, or all unknown devices and each of their addresses (owner: shared/otp). The old counts end with the day.
DROP TABLE otp_quota;
CREATE TABLE otp_quota (
    quota   bytea PRIMARY KEY,                 -- digest of number, purpose and who counts
    sent    timestamptz[] NOT NULL,
    last_at timestamptz NOT NULL
);
-- The subject of a challenge before login now names the device too. Codes live for 60 seconds.
DELETE FROM otp_challenge WHERE purpose IN ('register', 'login');

INSERT INTO policy (name, valid_from, value) VALUES
    ('otp.unknown_day_max', '2026-01-01', 20),
    ('otp.address_day_max', '2026-01-01', 5),
    ('login.address_captcha_after', '2026-01-01', 30);

-- A device's key that was bound less than so many seconds ago confirms at most this sum of a day (fen).
INSERT INTO policy (name, valid_from, value) VALUES
    ('device.young_seconds', '2026-01-01', 86400),
    ('device.young_day_cap', '2026-01-01', 500000);

-- The login before the last one, which the last one shows.
ALTER TABLE credential
    ADD COLUMN previous_login_at timestamptz, ADD COLUMN previous_login_device text,
    -- whether the device of a login proved its bound key
    ADD COLUMN last_login_verified boolean NOT NULL DEFAULT false,
    ADD COLUMN previous_login_verified boolean NOT NULL DEFAULT false;

DROP FUNCTION IF EXISTS login_count_attempt(bytea, timestamptz, date, boolean);
DROP FUNCTION IF EXISTS otp_issue(text, text, bytea, uuid, text, bytea, bytea, timestamptz, date);

-- why: one dated table holds all figures; only the device that asked for a code may try it; the strongest factor sets
-- the day's limit.
-- +goose Up

-- The device that asked for the code, and the number of tries that the policy gave when it was issued.
ALTER TABLE otp_challenge ADD COLUMN device_id text NOT NULL DEFAULT '', ADD COLUMN max_tries int NOT NULL DEFAULT 0;
ALTER TABLE otp_challenge ALTER COLUMN device_id DROP DEFAULT, ALTER COLUMN max_tries DROP DEFAULT;

-- LIMIT-001: one sum of a day counts all transfers whose strongest factor is the SMS code, to others and to own
-- accounts.
INSERT INTO limit_use (customer_id, kind, business_day, used)
SELECT customer_id, 'transfer.sms', business_day, sum(used) FROM limit_use
 WHERE kind IN ('transfer.others', 'transfer.own') GROUP BY customer_id, business_day;
DELETE FROM limit_use WHERE kind IN ('transfer.others', 'transfer.own');
DELETE FROM policy WHERE name IN ('transfer.others.day_cap', 'transfer.own.day_cap');
-- Open intents hold the old limits. They live for ten minutes, so they are cancelled.
UPDATE intent SET state = 'cancelled' WHERE state = 'open';

INSERT INTO policy (name, valid_from, value) VALUES
    ('transfer.sms.day_cap', '2026-01-01', 5000000),
    ('otp.tries', '2026-01-01', 5),
    ('otp.life_seconds', '2026-01-01', 60),
    ('otp.resend_seconds', '2026-01-01', 60),
    ('otp.day_max', '2026-01-01', 10),
    ('login.captcha_after', '2026-01-01', 3),
    ('login.lock_after', '2026-01-01', 5),
    ('login.lock_seconds', '2026-01-01', 1800),
    ('login.freeze_after', '2026-01-01', 10),
    ('trade_password.lock_after', '2026-01-01', 5),
    ('trade_password.lock_seconds', '2026-01-01', 1800);

-- From here on, functions/ holds the SQL functions. These two have other arguments or another name there.
DROP FUNCTION otp_issue(text, text, bytea, uuid, bytea, bytea, timestamptz, date, interval);
DROP FUNCTION login_charge(bytea, timestamptz, date, boolean);

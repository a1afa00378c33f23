-- why: whoever knows a device id can claim it. Before login the bank counts by origin: the device id and the key that the
-- caller proved on the channel. So a claimed id reaches no counter and no code of the customer's own device.
-- +goose Up

-- The counts by bare device id end; a lock of them lasts half an hour at most.
DROP TABLE login_origin;
CREATE TABLE login_origin (
    phone_bidx   bytea NOT NULL,
    origin       bytea NOT NULL,               -- digest of the device id and the proved key
    failures     int NOT NULL DEFAULT 0,       -- failures in a row since the last success or lock
    locked_until timestamptz,
    failed_at    timestamptz NOT NULL,
    PRIMARY KEY (phone_bidx, origin)
);

-- The subject of a challenge before login names the origin now. Codes live for 60 seconds.
DELETE FROM otp_challenge WHERE purpose IN ('register', 'login');
-- Quotas are digests that no longer tell whom they count: all begin anew.
DELETE FROM otp_quota;

DROP FUNCTION IF EXISTS login_count_attempt(bytea, text, boolean, boolean, bigint, timestamptz, date);

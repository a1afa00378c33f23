-- why: robots that try many accounts are slowed and then blocked by their network address, and Redis may lose its counts (RISK-002).
-- +goose Up
CREATE TABLE login_source (
    source        bytea PRIMARY KEY,           -- keyed digest of an address, or of its network
    failures      int NOT NULL,                -- since began_at
    began_at      timestamptz NOT NULL,
    last_at       timestamptz NOT NULL,        -- of the last failure, or of the last attempt that was let through
    blocked_until timestamptz
);
CREATE INDEX login_source_last ON login_source (last_at);

INSERT INTO policy (name, valid_from, value) VALUES
    ('login.source_seconds',       '2026-01-01', 3600),
    ('login.address_slow_after',   '2026-01-01', 60),
    ('login.address_slow_seconds', '2026-01-01', 10),
    ('login.address_block_after',  '2026-01-01', 120),
    ('login.address_block_seconds','2026-01-01', 3600),
    ('login.network_times',        '2026-01-01', 5);

-- why: customers prove transfers above the SMS code's cap by a dynamic token with challenge and response.
-- +goose Up
CREATE TABLE token (
    serial       text PRIMARY KEY,                      -- stands on the token's back
    customer_id  uuid NOT NULL REFERENCES customer (id), -- to whom the bank handed it out
    state        text NOT NULL CONSTRAINT token_state CHECK (state IN ('issued', 'active', 'lost')),
    algorithm    text NOT NULL CONSTRAINT token_algorithm CHECK (algorithm IN ('sm3', 'sm4')),
    seed_ct      bytea NOT NULL,               -- sealed by the purpose token; empty once the token is lost
    drift        int NOT NULL DEFAULT 0,       -- minutes that the token's clock is ahead
    synced_step  bigint NOT NULL DEFAULT 0,    -- the token's minute at the last synchronisation
    wrong_responses int NOT NULL DEFAULT 0,    -- in a row
    in_flight    int NOT NULL DEFAULT 0,       -- responses that are counted and not yet compared
    in_flight_at timestamptz,
    locked_until timestamptz
);
CREATE UNIQUE INDEX token_one_of_customer ON token (customer_id) WHERE state <> 'lost';
CREATE TRIGGER token_no_truncate BEFORE TRUNCATE ON token FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO policy (name, valid_from, value) VALUES
    ('transfer.token.day_cap', '2026-01-01', 100000000),
    ('token.lock_after', '2026-01-01', 5),
    ('token.lock_seconds', '2026-01-01', 1800);

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by)
VALUES ('token', 100000000, 100000000, '2026-01-01 00:00+08', 'author of 0042', 'reviewer of 0042');

-- The cells of 0040 for a bound device, with the token.
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT 'transfer-confirm', scene, device, grade, up_to, string_to_array(combinations, ' '),
       '2026-01-02 00:00+08', 'author of 0042', 'reviewer of 0042'
  FROM (VALUES
    ('others', 'bound',   0, 100000000000000,
     'sms_otp+device_key sms_otp+trade_password device_key+trade_password sms_otp+token device_key+token trade_password+token'),
    ('others', 'bound',   1, 100000000000000,
     'sms_otp+device_key+trade_password sms_otp+device_key+token sms_otp+trade_password+token device_key+trade_password+token'),
    ('own',    'bound',   0, 1000000,         'device_key trade_password token'),
    ('own',    'bound',   0, 100000000000000,
     'sms_otp+device_key sms_otp+trade_password device_key+trade_password sms_otp+token device_key+token trade_password+token'),
    ('own',    'bound',   1, 100000000000000,
     'sms_otp+device_key sms_otp+trade_password sms_otp+token device_key+token trade_password+token')
  ) AS cell (scene, device, grade, up_to, combinations);

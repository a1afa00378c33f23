-- why: corporate customers confirm transfers by Bluetooth Key and by PIN code, personal ones by other methods (AUTH-001).
-- +goose Up
ALTER TABLE customer ADD COLUMN kind text NOT NULL DEFAULT 'personal'
    CONSTRAINT customer_kind CHECK (kind IN ('personal', 'corporate'));

-- The PIN code (PIN码) of a corporate customer: as the trade password, with counts and a lock of its own. The counter gives one,
-- which confirms nothing until the customer has changed it.
CREATE TABLE pin_code (
    customer_id  uuid PRIMARY KEY REFERENCES customer (id),
    code         text NOT NULL,                -- sealed, as a stored password
    given        boolean NOT NULL,             -- the bank has given it
    failures     int NOT NULL DEFAULT 0,       -- in a row
    in_flight    int NOT NULL DEFAULT 0,       -- guesses that are counted and not yet compared
    in_flight_at timestamptz,
    day          date,                         -- of day_failures
    day_failures int NOT NULL DEFAULT 0,
    locked_until timestamptz
);
CREATE TRIGGER pin_code_no_truncate BEFORE TRUNCATE ON pin_code FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO policy (name, valid_from, value) VALUES
    ('pin_code.lock_after',   '2026-01-01',    5),
    ('pin_code.lock_seconds', '2026-01-01', 1800),
    ('pin_code.freeze_after', '2026-01-01',   10);

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by)
VALUES ('pin_code', 5000000, 5000000, '2026-01-01 00:00+08', 'author of 0081', 'reviewer of 0081');

-- Corporate customers have scenes of their own, which earlier releases leave alone.
ALTER TABLE stepup_rule DROP CONSTRAINT stepup_rule_scene,
    ADD CONSTRAINT stepup_rule_scene CHECK (scene IN ('others', 'own', 'none', 'corporate_others', 'corporate_own'));
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT 'transfer-confirm', scene, 'bound', grade, up_to, string_to_array(combinations, ' '),
       '2026-01-15 00:00+08', 'author of 0081', 'reviewer of 0081'
  FROM (VALUES
    ('corporate_others', 0, 100000000000000, 'device_key+bluetooth_key pin_code+bluetooth_key device_key+pin_code'),
    ('corporate_others', 1, 100000000000000, 'device_key+pin_code+bluetooth_key'),
    ('corporate_own',    0,         1000000, 'bluetooth_key pin_code device_key'),
    ('corporate_own',    0, 100000000000000, 'device_key+bluetooth_key pin_code+bluetooth_key device_key+pin_code'),
    ('corporate_own',    1, 100000000000000, 'device_key+bluetooth_key pin_code+bluetooth_key')
  ) AS cell (scene, grade, up_to, combinations);

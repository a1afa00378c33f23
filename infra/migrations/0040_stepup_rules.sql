-- why: the proofs that an operation needs, and the caps of methods, are dated rows that two persons approve, not code.
-- +goose Up

-- One row is one cell of the matrix, in force from valid_from until a later row of the same cell. A row without
-- combinations closes its cell. The code keeps the least of each cell: a weaker combination has no effect.
CREATE TABLE stepup_rule (
    operation    text NOT NULL,                -- the confirming function
    scene        text NOT NULL CONSTRAINT stepup_rule_scene CHECK (scene IN ('others', 'own', 'none')),
    device       text NOT NULL CONSTRAINT stepup_rule_device CHECK (device IN ('bound', 'unbound')),
    grade        smallint NOT NULL CONSTRAINT stepup_rule_grade CHECK (grade BETWEEN 0 AND 2),
    up_to        bigint NOT NULL CONSTRAINT stepup_rule_up_to CHECK (up_to >= 0), -- fen, of one operation
    combinations text[] NOT NULL,              -- each is enough; its factors are joined by +
    valid_from   timestamptz NOT NULL,
    proposed_by  text NOT NULL,
    approved_by  text NOT NULL,
    CONSTRAINT stepup_rule_two_persons CHECK (proposed_by <> '' AND approved_by <> '' AND proposed_by <> approved_by),
    PRIMARY KEY (operation, scene, device, grade, up_to, valid_from)
);

-- The caps of a method, in force from valid_from. The code keeps the standard's caps: a higher figure has no effect.
CREATE TABLE stepup_cap (
    method       text NOT NULL,
    per_transfer bigint NOT NULL CONSTRAINT stepup_cap_per_transfer CHECK (per_transfer >= 0), -- fen
    per_day      bigint NOT NULL CONSTRAINT stepup_cap_per_day CHECK (per_day >= 0),           -- fen
    valid_from   timestamptz NOT NULL,
    proposed_by  text NOT NULL,
    approved_by  text NOT NULL,
    CONSTRAINT stepup_cap_two_persons CHECK (proposed_by <> '' AND approved_by <> '' AND proposed_by <> approved_by),
    PRIMARY KEY (method, valid_from)
);

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by)
SELECT method, 5000000, 5000000, '2026-01-01 00:00+08', 'author of 0040', 'reviewer of 0040'
  FROM unnest(ARRAY['sms_otp', 'device_key', 'trade_password']) AS method;

INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT 'transfer-confirm', scene, device, grade, up_to, string_to_array(combinations, ' '),
       '2026-01-01 00:00+08', 'author of 0040', 'reviewer of 0040'
  FROM (VALUES
    ('others', 'bound',   0, 100000000000000, 'sms_otp+device_key sms_otp+trade_password device_key+trade_password'),
    ('others', 'unbound', 0, 100000000000000, 'sms_otp+trade_password'),
    ('others', 'bound',   1, 100000000000000, 'sms_otp+device_key+trade_password'),
    ('own',    'bound',   0, 1000000,             'device_key trade_password'),
    ('own',    'unbound', 0, 1000000,             'trade_password'),
    ('own',    'bound',   0, 100000000000000, 'sms_otp+device_key sms_otp+trade_password device_key+trade_password'),
    ('own',    'unbound', 0, 100000000000000, 'sms_otp+trade_password'),
    ('own',    'bound',   1, 100000000000000, 'sms_otp+device_key sms_otp+trade_password'),
    ('own',    'unbound', 1, 100000000000000, 'sms_otp+trade_password')
  ) AS cell (scene, device, grade, up_to, combinations);

-- A rule or cap ends by a later row: the earlier rows are the record of what was in force.
CREATE TRIGGER stepup_rule_append_only BEFORE UPDATE OR DELETE ON stepup_rule
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stepup_rule_no_truncate BEFORE TRUNCATE ON stepup_rule FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stepup_cap_append_only BEFORE UPDATE OR DELETE ON stepup_cap
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stepup_cap_no_truncate BEFORE TRUNCATE ON stepup_cap FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

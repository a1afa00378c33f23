-- why: a customer's certificate confirms transfers, by a soft UKey or a phone shield; one that the authority has revoked confirms nothing.
-- +goose Up
ALTER TABLE certificate ADD COLUMN opened text NOT NULL DEFAULT 'app'
    CONSTRAINT certificate_opened CHECK (opened IN ('app', 'counter', 'shield'));
-- The phone whose trusted environment holds the key, and what its maker says of that (PKCS#7): for a phone shield.
ALTER TABLE certificate ADD COLUMN device_id text, ADD COLUMN attestation bytea,
    ADD CONSTRAINT certificate_shield CHECK ((opened = 'shield') = (device_id IS NOT NULL) AND (device_id IS NULL) = (attestation IS NULL));
ALTER TABLE certificate ADD COLUMN revoked_at timestamptz; -- when the customer revoked it, or a list first named it
ALTER TABLE certificate ADD COLUMN listed boolean NOT NULL DEFAULT false; -- a list of the authority names it
CREATE INDEX certificate_of_serial ON certificate (serial);
CREATE INDEX certificate_unlisted ON certificate (valid_until) WHERE revoked_at IS NOT NULL AND NOT listed;

CREATE TABLE revocation_list (
    digest      bytea PRIMARY KEY,    -- SM3 of der
    authority   bytea NOT NULL,       -- who signed it: X.509, as in the chains of its certificates
    der         bytea NOT NULL,       -- X.509 CRL
    made_at     timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    got_at      timestamptz NOT NULL  -- when the authority last answered with it
);
CREATE INDEX revocation_list_until ON revocation_list (valid_until);
CREATE TRIGGER revocation_list_no_truncate BEFORE TRUNCATE ON revocation_list FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO policy (name, valid_from, value) VALUES
    ('transfer.soft_ukey.day_cap',    '2026-01-01', 100000000),
    ('transfer.phone_shield.day_cap', '2026-01-01',  20000000);

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by) VALUES
    ('soft_ukey',           5000000,   5000000, '2026-01-01 00:00+08', 'author of 0060', 'reviewer of 0060'),
    ('phone_shield',       20000000,  20000000, '2026-01-01 00:00+08', 'author of 0060', 'reviewer of 0060'),
    ('soft_ukey_counter', 100000000, 100000000, '2026-01-01 00:00+08', 'author of 0060', 'reviewer of 0060');

-- The phone shield's caps are at no time above those of the next stronger method, the soft UKey of the counter (AUTH-019).
-- +goose StatementBegin
CREATE FUNCTION stepup_cap_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; -- functions/ has the body
-- +goose StatementEnd
CREATE TRIGGER stepup_cap_order AFTER INSERT ON stepup_cap FOR EACH ROW WHEN (NEW.method IN ('phone_shield', 'soft_ukey_counter'))
    EXECUTE FUNCTION stepup_cap_order();

-- The cells of 0054 with either soft UKey and the phone shield. The device's key does not stand beside it: both keys are in one phone.
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT r.operation, r.scene, r.device, r.grade, r.up_to, r.combinations || ukey.combinations,
       '2026-01-05 00:00+08', 'author of 0060', 'reviewer of 0060'
  FROM stepup_rule r
  JOIN (SELECT scene, grade, array_agg(beside || '+' || method ORDER BY method, place) AS combinations
          FROM (VALUES
            ('others', 0, 1, 'sms_otp'), ('others', 0, 2, 'trade_password'), ('others', 0, 3, 'token'), ('others', 0, 4, 'face'),
            ('own',    0, 1, 'sms_otp'), ('own',    0, 2, 'trade_password'), ('own',    0, 3, 'token'), ('own',    0, 4, 'face'),
            ('own',    1, 1, 'sms_otp'), ('own',    1, 2, 'token'),
            ('others', 1, 1, 'sms_otp+trade_password'), ('others', 1, 2, 'sms_otp+token'), ('others', 1, 3, 'trade_password+token'),
            ('others', 1, 4, 'sms_otp+face'), ('others', 1, 5, 'trade_password+face'), ('others', 1, 6, 'token+face')
          ) AS factor (scene, grade, place, beside)
         CROSS JOIN (VALUES ('soft_ukey'), ('soft_ukey_counter'), ('phone_shield')) AS ukey (method)
         GROUP BY scene, grade) AS ukey ON ukey.scene = r.scene AND ukey.grade = r.grade
 WHERE r.operation = 'transfer-confirm' AND r.device = 'bound' AND r.up_to = 100000000000000
   AND r.valid_from = '2026-01-04 00:00+08';

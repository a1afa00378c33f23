-- why: a Bluetooth Key (蓝牙Key) confirms transfers, up to the limits that are set for the customer and the account (AUTH-001, LIMIT-004).
-- +goose Up
-- The keys that the bank has handed out at the counter.
CREATE TABLE bluetooth_key (
    serial        text PRIMARY KEY,                       -- stands on the key's back
    customer_id   uuid NOT NULL REFERENCES customer (id), -- to whom the bank handed it out
    handed_out_at timestamptz NOT NULL,
    CONSTRAINT bluetooth_key_holder UNIQUE (customer_id, serial)
);
CREATE TRIGGER bluetooth_key_no_truncate BEFORE TRUNCATE ON bluetooth_key FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One hardware key gets one certificate, and only the customer who was handed it.
ALTER TABLE certificate
    ADD COLUMN key_serial text,
    DROP CONSTRAINT certificate_opened,
    ADD CONSTRAINT certificate_opened CHECK (opened IN ('app', 'counter', 'shield', 'bluetooth')),
    DROP CONSTRAINT certificate_shield,
    ADD CONSTRAINT certificate_shield CHECK ((opened = 'shield') = (device_id IS NOT NULL)),
    ADD CONSTRAINT certificate_attested CHECK ((opened IN ('shield', 'bluetooth')) = (attestation IS NOT NULL)),
    ADD CONSTRAINT certificate_bluetooth CHECK ((opened = 'bluetooth') = (key_serial IS NOT NULL)),
    ADD CONSTRAINT certificate_of_bluetooth_key UNIQUE (key_serial),
    ADD CONSTRAINT certificate_handed_out FOREIGN KEY (customer_id, key_serial) REFERENCES bluetooth_key (customer_id, serial);

-- What is set for a customer (account_id NULL) or for one of the accounts, in force from valid_from until a later row. The lower of both
-- holds; the policy's figures bluetooth_key.unset_* stand for what is not set.
CREATE TABLE bluetooth_key_limit (
    customer_id  uuid NOT NULL REFERENCES customer (id),
    account_id   uuid REFERENCES account (id),
    per_transfer bigint NOT NULL CONSTRAINT bluetooth_key_limit_per_transfer CHECK (per_transfer >= 0), -- fen
    per_day      bigint NOT NULL CONSTRAINT bluetooth_key_limit_per_day CHECK (per_day >= 0),           -- fen
    valid_from   timestamptz NOT NULL,
    proposed_by  text NOT NULL,
    approved_by  text NOT NULL,
    CONSTRAINT bluetooth_key_limit_two_persons CHECK (proposed_by <> '' AND approved_by <> '' AND proposed_by <> approved_by),
    CONSTRAINT bluetooth_key_limit_once UNIQUE NULLS NOT DISTINCT (customer_id, account_id, valid_from)
);
CREATE TRIGGER bluetooth_key_limit_append_only BEFORE UPDATE OR DELETE ON bluetooth_key_limit
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER bluetooth_key_limit_no_truncate BEFORE TRUNCATE ON bluetooth_key_limit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The sum of a day by Bluetooth Key from one account. The customer's sum is in limit_use.
CREATE TABLE bluetooth_key_use (
    account_id   uuid NOT NULL REFERENCES account (id),
    business_day date NOT NULL,
    used         bigint NOT NULL CONSTRAINT bluetooth_key_use_used CHECK (used >= 0), -- fen
    PRIMARY KEY (account_id, business_day)
);
CREATE INDEX bluetooth_key_use_day ON bluetooth_key_use (business_day);

INSERT INTO policy (name, valid_from, value) VALUES
    ('transfer.bluetooth_key.day_cap', '2026-01-01', 100000000),
    ('bluetooth_key.unset_transfer',   '2026-01-01',   5000000),
    ('bluetooth_key.unset_day',        '2026-01-01',   5000000);

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by) VALUES
    ('bluetooth_key', 100000000, 100000000, '2026-01-01 00:00+08', 'author of 0080', 'reviewer of 0080');

-- The newest row of each open cell with the Bluetooth Key. It is a device of its own, so it stands beside the phone's key too.
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT r.operation, r.scene, r.device, r.grade, r.up_to, r.combinations || cell.combinations,
       '2026-01-14 00:00+08', 'author of 0080', 'reviewer of 0080'
  FROM (SELECT DISTINCT ON (scene, grade) * FROM stepup_rule
         WHERE operation = 'transfer-confirm' AND device = 'bound' AND up_to = 100000000000000 AND valid_from < '2026-01-14 00:00+08'
         ORDER BY scene, grade, valid_from DESC) AS r
  JOIN (SELECT scene, grade, array_agg(beside || '+bluetooth_key' ORDER BY place) AS combinations
          FROM (VALUES
            ('others', 0, 1, 'sms_otp'), ('others', 0, 2, 'device_key'), ('others', 0, 3, 'trade_password'), ('others', 0, 4, 'token'),
            ('others', 0, 5, 'face'),
            ('own',    0, 1, 'sms_otp'), ('own',    0, 2, 'device_key'), ('own',    0, 3, 'trade_password'), ('own',    0, 4, 'token'),
            ('own',    0, 5, 'face'),
            ('own',    1, 1, 'voice_otp'), ('own',    1, 2, 'token'),
            ('others', 1, 1, 'voice_otp+device_key'), ('others', 1, 2, 'voice_otp+trade_password'), ('others', 1, 3, 'device_key+trade_password'),
            ('others', 1, 4, 'voice_otp+token'), ('others', 1, 5, 'device_key+token'), ('others', 1, 6, 'trade_password+token'),
            ('others', 1, 7, 'voice_otp+face'), ('others', 1, 8, 'device_key+face'), ('others', 1, 9, 'trade_password+face'),
            ('others', 1, 10, 'token+face')
          ) AS factor (scene, grade, place, beside)
         GROUP BY scene, grade) AS cell ON cell.scene = r.scene AND cell.grade = r.grade;

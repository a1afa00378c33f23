-- why: a customer logs in on a bound device by a gesture, fingerprint or face (AUTH-020, BIO-012).
-- +goose Up
-- Public keys that the phone uses only after it has recognised the customer's finger or face: SM2, PKIX DER; NULL: none. They
-- belong to the device's key, like the gesture.
ALTER TABLE device
    ADD COLUMN fingerprint_key bytea,
    ADD COLUMN face_key        bytea;

-- Challenges of quick log-ins that nobody has answered yet.
CREATE TABLE login_challenge (
    challenge  bytea PRIMARY KEY,      -- random
    channel    bytea NOT NULL,         -- digest of the id of the channel on which the bank gave it out
    expires_at timestamptz NOT NULL
);
CREATE INDEX login_challenge_expires ON login_challenge (expires_at);

INSERT INTO policy (name, valid_from, value) VALUES ('gesture.lock_after', '2026-01-01', 5);

-- A signature by such a key confirms a transfer beside another factor, like the face (BIO-012, BIO-002).
INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by)
VALUES ('unlock_key', 5000000, 5000000, '2026-01-01 00:00+08', 'author of 0054', 'reviewer of 0054');

-- The cells of 0050 with these keys.
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT r.operation, r.scene, r.device, r.grade, r.up_to, r.combinations || string_to_array(cell.more, ' '), '2026-01-04 00:00+08',
       'author of 0054', 'reviewer of 0054'
  FROM stepup_rule r JOIN (VALUES
    ('others', 0, 'sms_otp+unlock_key device_key+unlock_key trade_password+unlock_key token+unlock_key'),
    ('others', 1,
     'sms_otp+device_key+unlock_key sms_otp+trade_password+unlock_key device_key+trade_password+unlock_key '
     'sms_otp+token+unlock_key device_key+token+unlock_key trade_password+token+unlock_key'),
    ('own', 0, 'sms_otp+unlock_key device_key+unlock_key trade_password+unlock_key token+unlock_key'),
    ('own', 1, 'sms_otp+unlock_key token+unlock_key')
  ) AS cell (scene, grade, more) ON r.scene = cell.scene AND r.grade = cell.grade
 WHERE r.proposed_by = 'author of 0050';

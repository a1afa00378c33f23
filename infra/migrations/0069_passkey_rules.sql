-- why: a passkey's signature confirms a transfer beside another factor (BIO-012, BIO-002).
-- +goose Up
-- The newest rows of the cells for a bound device, with the passkey. No other key in the same phone or computer stands beside it
-- (AUTH-005). Up to 10,000.00 between own accounts one factor is enough, so that cell stays as it is.
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT r.operation, r.scene, r.device, r.grade, r.up_to, r.combinations || string_to_array(cell.more, ' '), '2026-01-11 00:00+08',
       'author of 0069', 'reviewer of 0069'
  FROM (SELECT DISTINCT ON (scene, grade) operation, scene, device, grade, up_to, combinations
          FROM stepup_rule
         WHERE operation = 'transfer-confirm' AND device = 'bound' AND up_to = 100000000000000 AND valid_from < '2026-01-11 00:00+08'
         ORDER BY scene, grade, valid_from DESC) r
  JOIN (VALUES
    ('others', 0, 'sms_otp+passkey trade_password+passkey token+passkey'),
    ('others', 1, 'voice_otp+trade_password+passkey voice_otp+token+passkey trade_password+token+passkey'),
    ('own', 0, 'sms_otp+passkey trade_password+passkey token+passkey'),
    ('own', 1, 'voice_otp+passkey token+passkey')
  ) AS cell (scene, grade, more) ON r.scene = cell.scene AND r.grade = cell.grade;

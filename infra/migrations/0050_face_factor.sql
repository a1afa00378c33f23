-- why: a face that has passed for an operation confirms it beside another factor (BIO-002).
-- +goose Up
-- A check confirms once: its state is then used.
ALTER TABLE face_check DROP CONSTRAINT face_check_state;
ALTER TABLE face_check ADD CONSTRAINT face_check_state
    CHECK (state IN ('open', 'tried', 'passed', 'failed', 'unanswered', 'used'));

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by)
VALUES ('face', 5000000, 5000000, '2026-01-01 00:00+08', 'author of 0050', 'reviewer of 0050');

-- The cells of 0042 with the face. Up to 10,000.00 between own accounts one factor is enough, so that cell stays as it is.
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT 'transfer-confirm', scene, 'bound', grade, 100000000000000, string_to_array(combinations, ' '),
       '2026-01-03 00:00+08', 'author of 0050', 'reviewer of 0050'
  FROM (VALUES
    ('others', 0,
     'sms_otp+device_key sms_otp+trade_password device_key+trade_password sms_otp+token device_key+token trade_password+token '
     'sms_otp+face device_key+face trade_password+face token+face'),
    ('others', 1,
     'sms_otp+device_key+trade_password sms_otp+device_key+token sms_otp+trade_password+token device_key+trade_password+token '
     'sms_otp+device_key+face sms_otp+trade_password+face device_key+trade_password+face sms_otp+token+face '
     'device_key+token+face trade_password+token+face'),
    ('own', 0,
     'sms_otp+device_key sms_otp+trade_password device_key+trade_password sms_otp+token device_key+token trade_password+token '
     'sms_otp+face device_key+face trade_password+face token+face'),
    ('own', 1,
     'sms_otp+device_key sms_otp+trade_password sms_otp+token device_key+token trade_password+token sms_otp+face token+face')
  ) AS cell (scene, grade, combinations);

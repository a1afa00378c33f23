-- why: at a raised risk a code in a text is not enough: a call tells another one (OTP-008); and a customer learns that a sending has failed (OTP-006).
-- +goose Up
-- What became of the sending of a code: the nonce of the code that the gateway has taken, and of the one that it has refused.
ALTER TABLE otp_challenge ADD COLUMN sent_nonce bytea, ADD COLUMN refused_nonce bytea;

-- Calls have a budget of their own: a call costs more than a text.
ALTER TABLE sms_use ADD COLUMN calls bigint NOT NULL DEFAULT 0;
INSERT INTO policy (name, valid_from, value) VALUES
    ('sms.minute_calls_max', '2026-01-01',    200),
    ('sms.day_calls_max',    '2026-01-01',  20000),
    ('otp.unknown_calls_day_max', '2026-01-01', 3);

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by)
VALUES ('voice_otp', 5000000, 5000000, '2026-01-01 00:00+08', 'author of 0062', 'reviewer of 0062');

-- The cells of the grade raised, with the code that a call tells in place of the code in a text.
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT operation, scene, device, grade, up_to,
       ARRAY(SELECT replace(one, 'sms_otp', 'voice_otp') FROM unnest(combinations) WITH ORDINALITY AS listed (one, place) ORDER BY place),
       '2026-01-09 00:00+08', 'author of 0062', 'reviewer of 0062'
  FROM (SELECT DISTINCT ON (operation, scene, device, grade, up_to) *
          FROM stepup_rule
         WHERE grade = 1 AND valid_from < '2026-01-09 00:00+08'
         ORDER BY operation, scene, device, grade, up_to, valid_from DESC) AS latest
 WHERE array_to_string(combinations, ' ') LIKE '%sms_otp%';

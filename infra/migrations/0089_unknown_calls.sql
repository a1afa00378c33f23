-- why: calls that devices unknown to the bank ask for must leave the budget to those that customers need for their payments.
-- +goose Up

ALTER TABLE sms_use ADD COLUMN unknown_calls bigint NOT NULL DEFAULT 0;
INSERT INTO policy (name, valid_from, value) VALUES
    ('sms.minute_calls_unknown_max', '2026-01-01',   50),
    ('sms.day_calls_unknown_max',    '2026-01-01', 5000);

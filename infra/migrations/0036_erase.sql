-- why: a customer's data key is destroyed when the law no longer obliges the bank to keep the customer's record.
-- +goose Up
INSERT INTO policy (name, valid_from, value) VALUES ('customer.keep_days', '2026-01-01', 3653);

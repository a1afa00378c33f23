-- why: a keyed chain of audit records can't be made anew by a person who can write every table.
-- +goose Up

-- The key of the record's hash, which then is an HMAC-SM3; empty: a record of before the key, with a plain SM3.
ALTER TABLE audit_record ADD COLUMN mac_key text NOT NULL DEFAULT '';
ALTER TABLE audit_record ALTER COLUMN mac_key DROP DEFAULT;

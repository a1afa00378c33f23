-- why: in a browser, an authenticator (WebAuthn) recognises the customer's finger or face, and signs (BIO-012).
-- +goose Up
-- One credential of a bound device; it belongs to the device's key. NULL: the customer has set none here.
ALTER TABLE device
    ADD COLUMN passkey_id         bytea,                    -- the credential's id
    ADD COLUMN passkey_public_key bytea,                    -- COSE, ES256
    ADD COLUMN passkey_count      bigint NOT NULL DEFAULT 0; -- of its signatures; each next one is higher

INSERT INTO stepup_cap (method, per_transfer, per_day, valid_from, proposed_by, approved_by)
VALUES ('passkey', 5000000, 5000000, '2026-01-01 00:00+08', 'author of 0068', 'reviewer of 0068');

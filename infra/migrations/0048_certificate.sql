-- why: customers sign with certificates that the bank's certificate authority issues for them.
-- +goose Up
CREATE TABLE certificate (
    id          uuid PRIMARY KEY,                        -- the intent that asked for it
    customer_id uuid NOT NULL REFERENCES customer (id),
    serial      text NOT NULL,                           -- of the authority, hex
    der         bytea NOT NULL,                          -- X.509
    chain       bytea[] NOT NULL,                        -- the authorities between it and the root, X.509
    key_digest  bytea NOT NULL CONSTRAINT certificate_key_unique UNIQUE, -- SM3 of the public key: one key, one certificate
    valid_from  timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    issued_at   timestamptz NOT NULL
);
CREATE INDEX certificate_of_customer ON certificate (customer_id);
CREATE TRIGGER certificate_no_truncate BEFORE TRUNCATE ON certificate FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

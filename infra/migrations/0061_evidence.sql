-- why: what proves later that a customer has signed an operation: text, signature, certificate, revocation list and time.
-- +goose Up
CREATE TABLE evidence (
    id             uuid PRIMARY KEY,                            -- of the intent, and of what it has made
    customer_id    uuid NOT NULL REFERENCES customer (id),
    operation      text NOT NULL,                               -- the function that has carried it out
    text_ct        bytea NOT NULL,                              -- the signed text, sealed
    signed_data    bytea NOT NULL,                              -- PKCS#7
    certificate_id uuid NOT NULL REFERENCES certificate (id),
    list_digest    bytea NOT NULL REFERENCES revocation_list (digest),
    verified_at    timestamptz NOT NULL,
    mac            bytea NOT NULL,                              -- of all this, with the certificate and its chain
    mac_key        text NOT NULL
);
CREATE TRIGGER evidence_append_only BEFORE UPDATE OR DELETE ON evidence FOR EACH ROW EXECUTE FUNCTION refuse_change('text_ct');
CREATE TRIGGER evidence_no_truncate BEFORE TRUNCATE ON evidence FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

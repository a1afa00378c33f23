-- why: every change of what a customer has agreed with the bank leaves evidence that the bank has signed (AUTH-023).
-- +goose Up
CREATE TABLE change_evidence (
    id          uuid PRIMARY KEY,                        -- of the intent, if the change has one
    customer_id uuid NOT NULL REFERENCES customer (id),
    operation   text NOT NULL,                           -- the function that has carried it out
    content_ct  bytea NOT NULL,                          -- the signed content, sealed
    certificate bytea NOT NULL,                          -- of the bank's key that has signed it
    signature   bytea NOT NULL,
    signed_at   timestamptz NOT NULL
);
CREATE INDEX change_evidence_of ON change_evidence (customer_id, signed_at DESC, id DESC);
CREATE TRIGGER change_evidence_append_only BEFORE UPDATE OR DELETE ON change_evidence
    FOR EACH ROW EXECUTE FUNCTION refuse_change('content_ct');
CREATE TRIGGER change_evidence_no_truncate BEFORE TRUNCATE ON change_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- why: what the bank keeps of a face stands apart from who the customer is, and serves only what the customer has agreed to.
-- +goose Up

-- The biometric store: the tables bio_…. They name a customer by a pseudonym only, and hold no data about the person.
CREATE TABLE bio_reference (
    person       bytea PRIMARY KEY,    -- MAC of the customer's id
    reference_ct bytea NOT NULL,       -- sealed: the photo's handle, kind and time, and the digest of its template
    taken_at     timestamptz NOT NULL  -- as in reference_ct, for the age
);
CREATE TRIGGER bio_reference_no_truncate BEFORE TRUNCATE ON bio_reference FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE bio_result (
    id        uuid PRIMARY KEY,
    person    bytea NOT NULL,
    digest_ct bytea NOT NULL,          -- sealed: digest that the engine made of the face's template
    made_at   timestamptz NOT NULL
);
CREATE INDEX bio_result_made ON bio_result (made_at);
CREATE INDEX bio_result_person ON bio_result (person);

-- Each consent and withdrawal is a row; the newest row of a customer and a purpose decides. Without a row there is no consent.
CREATE TABLE biometric_consent (
    id          uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer (id),
    purpose     text NOT NULL CONSTRAINT biometric_consent_purpose CHECK (purpose IN ('transfer', 'security')),
    given       boolean NOT NULL,
    notice      text NOT NULL,         -- the text that the customer has agreed to; empty for a withdrawal
    device_id   text NOT NULL,
    changed_at  timestamptz NOT NULL,
    CONSTRAINT biometric_consent_notice CHECK (given = (notice <> ''))
);
CREATE INDEX biometric_consent_newest ON biometric_consent (customer_id, purpose, changed_at DESC, id DESC);
CREATE TRIGGER biometric_consent_no_truncate BEFORE TRUNCATE ON biometric_consent FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER biometric_consent_no_update BEFORE UPDATE ON biometric_consent FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The purpose that a check serves. Empty: an earlier release has begun it.
ALTER TABLE face_check ADD COLUMN purpose text NOT NULL DEFAULT ''
    CONSTRAINT face_check_purpose CHECK (purpose IN ('', 'transfer', 'security'));

-- why: a customer chooses the proofs of transfers, within what the matrix allows.
-- +goose Up
CREATE TABLE stepup_preference (
    customer_id uuid PRIMARY KEY REFERENCES customer (id),
    combination text NOT NULL CONSTRAINT stepup_preference_combination CHECK (combination <> ''), -- factors, joined by +
    up_to       bigint NOT NULL CONSTRAINT stepup_preference_up_to CHECK (up_to > 0),            -- fen, of one transfer
    chosen_at   timestamptz NOT NULL
);
CREATE TRIGGER stepup_preference_no_truncate BEFORE TRUNCATE ON stepup_preference
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

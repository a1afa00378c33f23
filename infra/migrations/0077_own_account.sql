-- why: customers report accounts as lost, choose the accounts that mobile banking operates, and set limits of their own
-- (ACCT-003, ACCT-004, ACCT-006).
-- +goose Up
ALTER TABLE account ADD COLUMN operable boolean NOT NULL DEFAULT true; -- mobile banking shows the account and moves its money

-- A customer's own limits, by verification method. Without a row, the bank's limits hold alone.
CREATE TABLE own_limit (
    customer_id  uuid NOT NULL REFERENCES customer (id),
    kind         text NOT NULL,      -- as in limit_use
    per_transfer bigint NOT NULL,
    per_day      bigint NOT NULL,
    changed_at   timestamptz NOT NULL,
    PRIMARY KEY (customer_id, kind),
    CONSTRAINT own_limit_amounts CHECK (per_transfer >= 0 AND per_transfer <= per_day)
);
CREATE TRIGGER own_limit_no_truncate BEFORE TRUNCATE ON own_limit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- why: risky options are off until the customer has acknowledged their warning (RISK-004).
-- +goose Up
-- Each change of an option is a row; the newest row of a customer and an option decides. Without a row, the option is off.
CREATE TABLE option_change (
    id          uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer (id),
    option      text NOT NULL CONSTRAINT option_change_option CHECK (option IN ('large_transfer')),
    switched_on boolean NOT NULL,
    warning     text NOT NULL,        -- the text that the customer has acknowledged; empty if the option is switched off
    device_id   text NOT NULL,
    changed_at  timestamptz NOT NULL,
    CONSTRAINT option_change_acknowledged CHECK (switched_on = (warning <> ''))
);
CREATE INDEX option_change_newest ON option_change (customer_id, option, changed_at DESC, id DESC);
CREATE TRIGGER option_change_no_truncate BEFORE TRUNCATE ON option_change FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER option_change_no_update BEFORE UPDATE ON option_change FOR EACH ROW EXECUTE FUNCTION refuse_change();

INSERT INTO policy (name, valid_from, value) VALUES
    ('transfer.large_above', '2026-01-01', 20000000);

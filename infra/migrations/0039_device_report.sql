-- why: the app reports how safe its environment is, and the bank acts on each report (DEVICE-003, DEVICE-005 to DEVICE-008).
-- +goose Up
-- One row for each report, and for each login without one (owner: shared/environment). A nonce is good once for a customer.
CREATE TABLE device_report (
    id          uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    device_id   text NOT NULL,
    channel     bytea NOT NULL,            -- of the session in which the report came
    intent_id   uuid,                      -- the order for which the report was made
    nonce       bytea NOT NULL,
    findings    text[] NOT NULL,           -- of the app, and of the bank about the report
    page        text NOT NULL DEFAULT '',  -- on which the customer took a screenshot
    grave       boolean NOT NULL,          -- a finding disables transfers
    reported_at timestamptz NOT NULL,
    CONSTRAINT device_report_once UNIQUE (customer_id, nonce)
);
CREATE INDEX device_report_session ON device_report (customer_id, channel, reported_at, id);
CREATE INDEX device_report_grave ON device_report (customer_id, device_id, reported_at) WHERE grave;
CREATE INDEX device_report_age ON device_report (reported_at);

INSERT INTO policy (name, valid_from, value) VALUES
    ('device.report_seconds', '2026-01-01', 3600),
    ('device.risk_seconds', '2026-01-01', 86400);

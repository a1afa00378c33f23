-- why: a customer may change the phone number (OTP-007). The bank tells the earlier number, so a change keeps it for a while, sealed
-- under the customer's data key.
-- +goose Up
CREATE TABLE phone_change (
    id          uuid PRIMARY KEY,     -- of the confirmed intent
    customer_id uuid NOT NULL,
    former_ct   bytea NOT NULL,       -- the earlier number
    changed_at  timestamptz NOT NULL
);
CREATE INDEX phone_change_age ON phone_change (changed_at);
CREATE INDEX phone_change_customer ON phone_change (customer_id);

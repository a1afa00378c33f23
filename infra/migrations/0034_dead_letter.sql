-- why: the platform's broker drops an event that a consumer does not take. Its dead letters are kept here until an operator
-- replays them.
-- +goose Up
CREATE TABLE dead_letter (
    consumer    text NOT NULL,
    event_id    uuid NOT NULL,                -- of the outbox, which keeps the event
    type        text NOT NULL,
    status      int NOT NULL,                 -- HTTP status of the consumer's last answer; 0: none
    failed_at   timestamptz NOT NULL,
    deaths      int NOT NULL DEFAULT 1,
    replayed_at timestamptz,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX dead_letter_open ON dead_letter (event_id) WHERE replayed_at IS NULL;

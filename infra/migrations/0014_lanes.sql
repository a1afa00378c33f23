-- why: a backlog must not delay one-time codes, so they have a lane of their own; an event that its receiver refuses
-- is tried later and then set aside, and its neighbours go on.
-- +goose Up
ALTER TABLE outbox
    ADD COLUMN lane         text NOT NULL DEFAULT 'events' CONSTRAINT outbox_lane CHECK (lane IN ('codes', 'events')),
    ADD COLUMN attempts     int NOT NULL DEFAULT 0,           -- failed attempts to publish
    ADD COLUMN next_at      timestamptz NOT NULL DEFAULT now(), -- no relay takes the event before: a lease, or a pause
    ADD COLUMN reason       text NOT NULL DEFAULT '',         -- of the last failure
    ADD COLUMN set_aside_at timestamptz,                      -- no relay takes it; an operator must handle it
    DROP COLUMN leased_until;
DROP INDEX outbox_unpublished;
CREATE INDEX outbox_waiting ON outbox (lane, next_at, id) WHERE published_at IS NULL AND set_aside_at IS NULL;
CREATE INDEX outbox_set_aside ON outbox (id) WHERE set_aside_at IS NOT NULL;

ALTER TABLE delivery ADD COLUMN lane text NOT NULL DEFAULT 'events' CONSTRAINT delivery_lane CHECK (lane IN ('codes', 'events'));
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (lane, due_at) WHERE state = 'due';

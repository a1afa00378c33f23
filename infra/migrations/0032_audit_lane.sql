-- why: access records are many and nobody waits for them, so they have a lane of their own; they delayed notices of money
-- and the fraud analysis.
-- +goose Up
ALTER TABLE outbox DROP CONSTRAINT outbox_lane,
    ADD CONSTRAINT outbox_lane CHECK (lane IN ('codes', 'events', 'audit'));
ALTER TABLE delivery DROP CONSTRAINT delivery_lane,
    ADD CONSTRAINT delivery_lane CHECK (lane IN ('codes', 'events', 'audit'));

-- why: whoever only claims the id of a bound device must not be taken for that device (DEVICE-004)
-- +goose Up
ALTER TABLE device ADD COLUMN proved boolean NOT NULL DEFAULT true; -- the last log-in on it proved its key

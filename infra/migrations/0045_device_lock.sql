-- why: a customer may lock the log-in to one device (DEVICE-010).
-- +goose Up
ALTER TABLE device ADD COLUMN locked boolean NOT NULL DEFAULT false; -- the customer logs in on this device only

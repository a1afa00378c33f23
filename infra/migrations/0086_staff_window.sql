-- why: failures of the staff's log-ins count within a time that the first one begins, so that old ones do not add up (PWD-007).
-- +goose Up

ALTER TABLE staff_attempt ADD COLUMN began_at timestamptz NOT NULL DEFAULT 'epoch'; -- the first of these failures

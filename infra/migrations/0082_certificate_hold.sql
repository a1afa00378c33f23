-- why: a customer suspends the own certificates, for example while a phone is missing, and resumes them (AUTH-002).
-- +goose Up
ALTER TABLE certificate ADD COLUMN suspended_at timestamptz; -- NULL: not suspended

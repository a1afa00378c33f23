-- why: an intent's combinations were decided under a risk grade, and must not confirm once the customer is graded higher.
-- +goose Up
ALTER TABLE intent ADD COLUMN grade smallint NOT NULL DEFAULT 0;

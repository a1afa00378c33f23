-- why: an intent stores the risk grade of its combinations, so that it can't be confirmed after the customer's grade
-- has risen.
-- +goose Up
ALTER TABLE intent ADD COLUMN grade smallint NOT NULL DEFAULT 0;

-- why: the migrations of an earlier release must leave the SQL functions of a later one alone
-- +goose Up
CREATE TABLE function_revision (
    single   boolean PRIMARY KEY DEFAULT true CHECK (single), -- the table has one row
    revision int NOT NULL CHECK (revision > 0)
);

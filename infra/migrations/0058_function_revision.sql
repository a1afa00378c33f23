-- why: the migrations of an earlier release must leave the SQL functions of a later one alone
-- +goose Up
CREATE TABLE function_revision (
    single   boolean PRIMARY KEY DEFAULT true CHECK (single), -- the table has one row
    revision int NOT NULL CHECK (revision > 0)
);
CREATE TRIGGER function_revision_no_truncate BEFORE TRUNCATE ON function_revision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

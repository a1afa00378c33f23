-- why: a rotation of a key moves stored texts to the new key. The job keeps its place here, so that it goes on after it was
-- killed. It may replace the sealed text of a record, and nothing else of it.
-- +goose Up
CREATE TABLE reseal_progress (
    field       text PRIMARY KEY,              -- table.column
    key_id      text NOT NULL,                 -- the key to which the texts go: storage/2
    place       text[] NOT NULL,               -- primary key of the last row that was read
    row_count   bigint NOT NULL DEFAULT 0,     -- rows that the walk has read
    resealed    bigint NOT NULL DEFAULT 0,
    passed_over bigint NOT NULL DEFAULT 0,     -- rows that a customer's call had locked or changed
    damaged     bigint NOT NULL DEFAULT 0,     -- texts that no key opens
    walks       int NOT NULL DEFAULT 0,
    started_at  timestamptz NOT NULL,
    done_at     timestamptz
);
CREATE TRIGGER reseal_progress_no_truncate BEFORE TRUNCATE ON reseal_progress
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- The argument names the sealed column that alone may change (functions/refuse_change.sql).
DROP TRIGGER entry_append_only ON entry;
CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change('memo_ct');
DROP TRIGGER transfer_append_only ON transfer;
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION refuse_change('detail_ct');

-- why: with these indexes, pruning finds old rows without reading a whole table; they cost a transfer almost nothing.
-- +goose Up
CREATE INDEX idempotency_by_age ON idempotency USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX event_consumed_by_age ON event_consumed USING brin (consumed_at) WITH (autosummarize = on);
CREATE INDEX intent_by_age ON intent USING brin (created_at) WITH (autosummarize = on);

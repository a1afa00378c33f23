-- why: pruning finds old rows without reading a whole table; these indexes cost a confirmed transfer next to nothing.
-- +goose Up
CREATE INDEX idempotency_by_age ON idempotency USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX event_consumed_by_age ON event_consumed USING brin (consumed_at) WITH (autosummarize = on);
CREATE INDEX intent_by_age ON intent USING brin (created_at) WITH (autosummarize = on);

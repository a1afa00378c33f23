-- why: a memo is personal data, so that an entry holds it sealed.
-- +goose Up
ALTER TABLE entry ADD COLUMN memo_ct bytea NOT NULL DEFAULT '';
ALTER TABLE entry ALTER COLUMN memo_ct DROP DEFAULT;
-- The memos of earlier entries stood in clear after the summary. They are cut here: the database can't seal them. The
-- transfer's own row still holds each memo, sealed.
ALTER TABLE entry DISABLE TRIGGER entry_append_only;
UPDATE entry SET summary = '转账' WHERE summary LIKE '转账 %';
ALTER TABLE entry ENABLE TRIGGER entry_append_only;
-- functions/ holds the forms with two more arguments.
DROP FUNCTION ledger_post(uuid, text, uuid, uuid, bigint, date, timestamptz, bytea, text, text, text, text, text);
DROP FUNCTION ledger_post_internal(uuid, text, uuid, uuid, bigint, date, timestamptz, bytea, text, text, text, text, text);
DROP FUNCTION ledger_post_rows(uuid[], text[], uuid[], uuid[], bigint[], date[], timestamptz[], bytea[], text[],
                               text[], text[], text[], text[]);

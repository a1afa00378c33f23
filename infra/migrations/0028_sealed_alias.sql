-- why: an alias is personal data, so that an account holds it sealed.
-- +goose Up
-- The database can't seal the aliases that stand in clear, so the migration deletes them: customers name their accounts
-- again. It empties the column first, because DROP COLUMN leaves the old values in the rows.
UPDATE account SET alias = '' WHERE alias <> '';
ALTER TABLE account DROP COLUMN alias;
ALTER TABLE account ADD COLUMN alias_ct bytea NOT NULL DEFAULT '';

-- why: a change of a figure waits until another person than its proposer approves it (PWD-009, ADMIN-011).
-- +goose Up

-- Who proposed and who approved each figure: a login name, or the persons of a migration.
ALTER TABLE policy
    ADD COLUMN proposed_by text NOT NULL DEFAULT 'author of the migration',
    ADD COLUMN approved_by text NOT NULL DEFAULT 'reviewer of the migration',
    ADD CONSTRAINT policy_two_persons CHECK (proposed_by <> '' AND approved_by <> '' AND proposed_by <> approved_by);

-- Proposed figures, and what became of them (owner: shared/parameter). Without approval a row has no effect.
CREATE TABLE parameter_change (
    id          uuid PRIMARY KEY,
    name        text NOT NULL,
    value       bigint NOT NULL,
    valid_from  date NOT NULL,                 -- the first day; at the approval, not earlier than its day
    proposed_by uuid NOT NULL REFERENCES staff (id),
    proposed_at timestamptz NOT NULL,
    approved_by uuid REFERENCES staff (id),    -- NULL: it waits
    approved_at timestamptz,
    old_value   bigint,                        -- in force when it was approved
    CONSTRAINT parameter_change_two_persons CHECK (approved_by <> proposed_by),
    CONSTRAINT parameter_change_approved CHECK (
        (approved_by IS NULL) = (approved_at IS NULL) AND (approved_by IS NULL) = (old_value IS NULL))
);
CREATE INDEX parameter_change_waiting ON parameter_change (proposed_at DESC, id DESC) WHERE approved_by IS NULL;
CREATE TRIGGER parameter_change_no_truncate BEFORE TRUNCATE ON parameter_change
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

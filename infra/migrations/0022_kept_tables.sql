-- why: no statement may empty a table whose rows stay, and scores are evidence that nobody may change.
-- +goose Up
CREATE TRIGGER fraud_score_append_only BEFORE UPDATE OR DELETE ON fraud_score
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fraud_score_no_truncate BEFORE TRUNCATE ON fraud_score
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON account FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER credential_no_truncate BEFORE TRUNCATE ON credential FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER customer_no_truncate BEFORE TRUNCATE ON customer FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER device_no_truncate BEFORE TRUNCATE ON device FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_fold_no_truncate BEFORE TRUNCATE ON ledger_fold
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER message_no_truncate BEFORE TRUNCATE ON message FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER policy_no_truncate BEFORE TRUNCATE ON policy FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

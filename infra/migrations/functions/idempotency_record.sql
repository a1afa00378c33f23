-- Inserts the record of a request. While a concurrent duplicate has an uncommitted record, the insert waits at most half
-- a second: the duplicate may wait for locks itself, and its client must be told before its own deadline.
CREATE OR REPLACE FUNCTION idempotency_record(p_caller text, p_operation text, p_key text, p_body_hash bytea, p_reply bytea)
RETURNS void LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
BEGIN
    INSERT INTO idempotency (caller, operation, key, body_hash, reply)
    VALUES (p_caller, p_operation, p_key, p_body_hash, p_reply);
END $$;

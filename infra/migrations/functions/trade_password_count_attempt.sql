-- Counts an attempt at the trade password as failed, and returns a verdict, a blank and the stored password. Returns
-- NULL and does not count while the password is locked, or if the customer has no such open intent on this device.
-- The verdict is 'last' if a failure of this attempt locks the password, otherwise 'open'. The first attempt after a
-- lock starts a new count; 'reopened ' precedes its verdict.
CREATE OR REPLACE FUNCTION trade_password_count_attempt(
    p_customer uuid, p_now timestamptz, p_day date, p_intent uuid, p_device text, p_operation text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_max bigint := policy_value('trade_password.lock_after', p_day);
    v_lock interval := make_interval(secs => policy_value('trade_password.lock_seconds', p_day));
    v_failures bigint;
    v_until timestamptz;
    v_reopened text := '';
    v_stored text;
BEGIN
    SELECT trade_failures + 1, trade_locked_until INTO v_failures, v_until FROM credential
     WHERE customer_id = p_customer AND (trade_locked_until IS NULL OR trade_locked_until <= p_now)
       AND EXISTS (SELECT 1 FROM intent WHERE id = p_intent AND customer_id = p_customer AND device_id = p_device
                      AND operation = p_operation AND state = 'open' AND expires_at > p_now)
       FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF v_until IS NOT NULL THEN
        v_failures := 1;
        v_reopened := 'reopened ';
    END IF;
    v_until := CASE WHEN v_failures >= v_max THEN p_now + v_lock END;
    UPDATE credential SET trade_failures = v_failures, trade_locked_until = v_until
     WHERE customer_id = p_customer RETURNING trade_password INTO v_stored;
    RETURN v_reopened || CASE WHEN v_until IS NOT NULL THEN 'last ' ELSE 'open ' END || v_stored;
END $$;

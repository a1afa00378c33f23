-- Counts an attempt at the trade password as failed and answers the stored password; NULL, and counts nothing, while it
-- is locked, or if the customer has no such open intent on this device. The attempt that reaches the bound locks; the
-- first one after a lock starts the count anew.
CREATE OR REPLACE FUNCTION trade_password_count_attempt(
    p_customer uuid, p_now timestamptz, p_day date, p_intent uuid, p_device text, p_operation text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_max bigint := policy_value('trade_password.lock_after', p_day);
    v_lock interval := make_interval(secs => policy_value('trade_password.lock_seconds', p_day));
    v_stored text;
BEGIN
    UPDATE credential
       SET trade_failures = CASE WHEN trade_locked_until IS NULL THEN trade_failures + 1 ELSE 1 END,
           trade_locked_until = CASE WHEN CASE WHEN trade_locked_until IS NULL THEN trade_failures + 1 ELSE 1 END >= v_max
                                     THEN p_now + v_lock END
     WHERE customer_id = p_customer AND (trade_locked_until IS NULL OR trade_locked_until <= p_now)
       AND EXISTS (SELECT 1 FROM intent WHERE id = p_intent AND customer_id = p_customer AND device_id = p_device
                      AND operation = p_operation AND state = 'open' AND expires_at > p_now)
    RETURNING trade_password INTO v_stored;
    RETURN v_stored;
END $$;

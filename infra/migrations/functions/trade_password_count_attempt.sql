-- Counts a guess at the trade password as in flight and returns the stored password. The verdict is
--   open      the guess is counted and may be compared; after the comparison, the caller settles the count
--   reopened  the same, for the first guess after a lock; the failures start anew
--   wait      not counted: if all guesses in flight are wrong, they reach the bound
--   locked, frozen   not counted: the password is locked, or frozen for the day, until o_until
--   none      not counted: the customer has no password, or no such open intent on this device
-- At a login there is no intent (p_intent NULL): the caller has found the other factors right.
-- o_left is the number of guesses that are left if this guess is wrong.
-- A guess that stays in flight for 30 seconds counts as wrong: no call takes so long.
CREATE OR REPLACE FUNCTION trade_password_count_attempt(
    p_customer uuid, p_now timestamptz, p_day date, p_intent uuid, p_device text, p_operation text,
    OUT o_verdict text, OUT o_stored text, OUT o_left int, OUT o_until timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_max bigint := policy_value('trade_password.lock_after', p_day);
    v_freeze bigint := policy_value('trade_password.freeze_after', p_day);
    c credential;
BEGIN
    SELECT * INTO c FROM credential
     WHERE customer_id = p_customer
       AND (p_intent IS NULL
            OR EXISTS (SELECT 1 FROM intent WHERE id = p_intent AND customer_id = p_customer AND device_id = p_device
                          AND operation = p_operation AND state = 'open' AND expires_at > p_now))
       FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        o_verdict := 'none';
        RETURN;
    END IF;
    IF c.trade_day IS DISTINCT FROM p_day THEN
        c.trade_day := p_day;
        c.trade_day_failures := 0;
    END IF;
    o_verdict := 'open';
    IF c.trade_locked_until <= p_now THEN
        c.trade_failures := 0;
        c.trade_locked_until := NULL;
        o_verdict := 'reopened';
    END IF;
    IF c.trade_in_flight_at < p_now - interval '30 seconds' THEN
        c.trade_failures := c.trade_failures + c.trade_in_flight;
        c.trade_day_failures := c.trade_day_failures + c.trade_in_flight;
        c.trade_in_flight := 0;
        c.trade_locked_until := coalesce(c.trade_locked_until,
            trade_password_lock_until(c.trade_failures, c.trade_day_failures, p_now, p_day));
    END IF;
    IF c.trade_locked_until IS NOT NULL THEN
        o_verdict := CASE WHEN c.trade_day_failures >= v_freeze THEN 'frozen' ELSE 'locked' END;
        o_until := c.trade_locked_until;
    ELSIF c.trade_failures + c.trade_in_flight >= v_max OR c.trade_day_failures + c.trade_in_flight >= v_freeze THEN
        o_verdict := 'wait';
        RETURN;
    ELSE
        c.trade_in_flight := c.trade_in_flight + 1;
        c.trade_in_flight_at := p_now;
        o_stored := c.trade_password;
        o_left := least(v_max - c.trade_failures, v_freeze - c.trade_day_failures) - 1;
    END IF;
    UPDATE credential
       SET trade_failures = c.trade_failures, trade_locked_until = c.trade_locked_until,
           trade_in_flight = c.trade_in_flight, trade_in_flight_at = c.trade_in_flight_at,
           trade_day = c.trade_day, trade_day_failures = c.trade_day_failures
     WHERE customer_id = p_customer;
END $$;

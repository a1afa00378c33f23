-- Counts a guess at the PIN code as in flight and returns the stored code. The verdict is
--   open      the guess is counted and may be compared; after the comparison, the caller settles the count
--   reopened  the same, for the first guess after a lock; the failures start anew
--   wait      not counted: if all guesses in flight are wrong, they reach the bound
--   locked    not counted: the code is locked until o_until
--   none      not counted: the customer has no PIN code or no such open intent on this device, or the code is still the given one
--             and the function does not change it
-- o_left is the number of guesses that are left if this guess is wrong.
-- A guess that stays in flight for 30 seconds counts as wrong: no call takes so long.
CREATE OR REPLACE FUNCTION pin_code_count_attempt(
    p_customer uuid, p_now timestamptz, p_day date, p_intent uuid, p_device text, p_operation text,
    OUT o_verdict text, OUT o_stored text, OUT o_left int, OUT o_until timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_max bigint := policy_value('pin_code.lock_after', p_day);
    v_freeze bigint := policy_value('pin_code.freeze_after', p_day);
    c pin_code;
BEGIN
    SELECT * INTO c FROM pin_code
     WHERE customer_id = p_customer AND (NOT given OR p_operation = 'identity-pin-code-set')
       AND EXISTS (SELECT 1 FROM intent WHERE id = p_intent AND customer_id = p_customer AND device_id = p_device
                      AND operation = p_operation AND state = 'open' AND expires_at > p_now)
       FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        o_verdict := 'none';
        RETURN;
    END IF;
    IF c.day IS DISTINCT FROM p_day THEN
        c.day := p_day;
        c.day_failures := 0;
    END IF;
    o_verdict := 'open';
    IF c.locked_until <= p_now THEN
        c.failures := 0;
        c.locked_until := NULL;
        o_verdict := 'reopened';
    END IF;
    IF c.in_flight_at < p_now - interval '30 seconds' THEN
        c.failures := c.failures + c.in_flight;
        c.day_failures := c.day_failures + c.in_flight;
        c.in_flight := 0;
        c.locked_until := coalesce(c.locked_until, pin_code_lock_until(c.failures, c.day_failures, p_now, p_day));
    END IF;
    IF c.locked_until IS NOT NULL THEN
        o_verdict := 'locked';
        o_until := c.locked_until;
    ELSIF c.failures + c.in_flight >= v_max OR c.day_failures + c.in_flight >= v_freeze THEN
        o_verdict := 'wait';
        RETURN;
    ELSE
        c.in_flight := c.in_flight + 1;
        c.in_flight_at := p_now;
        o_stored := c.code;
        o_left := least(v_max - c.failures, v_freeze - c.day_failures) - 1;
    END IF;
    UPDATE pin_code
       SET failures = c.failures, locked_until = c.locked_until, in_flight = c.in_flight, in_flight_at = c.in_flight_at,
           day = c.day, day_failures = c.day_failures
     WHERE customer_id = p_customer;
END $$;

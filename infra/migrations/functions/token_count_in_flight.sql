-- Counts a response of a customer's token as in flight and returns the token. The verdict is
--   open      the response is counted and may be compared; after the comparison, the caller settles the count
--   reopened  the same, for the first response after a lock; the failures start anew
--   wait      not counted: if all responses in flight are wrong, they reach the bound
--   locked    not counted: the token is locked until o_until
--   none      not counted: the customer has no token in this state
-- A synchronisation takes a token of any state but lost (p_state NULL).
-- o_left is the number of responses that are left if this one is wrong.
-- A response that stays in flight for 30 seconds counts as wrong: no call takes so long.
CREATE OR REPLACE FUNCTION token_count_in_flight(
    p_customer uuid, p_state text, p_now timestamptz, p_day date,
    OUT o_verdict text, OUT o_serial text, OUT o_algorithm text, OUT o_seed bytea, OUT o_drift int, OUT o_synced bigint,
    OUT o_left int, OUT o_until timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_max bigint := policy_value('token.lock_after', p_day);
    v_lock interval := make_interval(secs => policy_value('token.lock_seconds', p_day));
    t token;
BEGIN
    SELECT * INTO t FROM token
     WHERE customer_id = p_customer AND state <> 'lost' AND (p_state IS NULL OR state = p_state)
       FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        o_verdict := 'none';
        RETURN;
    END IF;
    o_verdict := 'open';
    IF t.locked_until <= p_now THEN
        t.wrong_responses := 0;
        t.locked_until := NULL;
        o_verdict := 'reopened';
    END IF;
    IF t.in_flight_at < p_now - interval '30 seconds' THEN
        t.wrong_responses := t.wrong_responses + t.in_flight;
        t.in_flight := 0;
        IF t.wrong_responses >= v_max THEN
            t.locked_until := coalesce(t.locked_until, p_now + v_lock);
        END IF;
    END IF;
    IF t.locked_until IS NOT NULL THEN
        o_verdict := 'locked';
        o_until := t.locked_until;
    ELSIF t.wrong_responses + t.in_flight >= v_max THEN
        o_verdict := 'wait';
        RETURN;
    ELSE
        t.in_flight := t.in_flight + 1;
        t.in_flight_at := p_now;
        o_serial := t.serial;
        o_algorithm := t.algorithm;
        o_seed := t.seed_ct;
        o_drift := t.drift;
        o_synced := t.synced_step;
        o_left := v_max - t.wrong_responses - 1;
    END IF;
    UPDATE token
       SET wrong_responses = t.wrong_responses, locked_until = t.locked_until, in_flight = t.in_flight, in_flight_at = t.in_flight_at
     WHERE serial = t.serial;
END $$;

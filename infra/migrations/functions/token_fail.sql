-- Settles a counted response that was wrong. Returns how many responses are left, and the end of the lock that this
-- failure begins or finds.
CREATE OR REPLACE FUNCTION token_fail(
    p_serial text, p_now timestamptz, p_day date, OUT o_left int, OUT o_until timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_max bigint := policy_value('token.lock_after', p_day);
BEGIN
    UPDATE token
       SET wrong_responses = wrong_responses + 1, in_flight = greatest(in_flight - 1, 0),
           locked_until = CASE WHEN wrong_responses + 1 >= v_max AND locked_until IS NULL
                               THEN p_now + make_interval(secs => policy_value('token.lock_seconds', p_day))
                               ELSE locked_until END
     WHERE serial = p_serial
    RETURNING greatest(0, v_max - wrong_responses), locked_until INTO o_left, o_until;
END $$;

-- Settles a counted guess that was wrong. Returns how many guesses are left, and the end of the lock that this failure begins or finds.
CREATE OR REPLACE FUNCTION pin_code_fail(
    p_customer uuid, p_now timestamptz, p_day date, OUT o_left int, OUT o_until timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    c pin_code;
BEGIN
    UPDATE pin_code
       SET failures = failures + 1, in_flight = greatest(in_flight - 1, 0), day = p_day,
           day_failures = CASE WHEN day = p_day THEN day_failures + 1 ELSE 1 END
     WHERE customer_id = p_customer RETURNING * INTO c;
    o_left := greatest(0, least(policy_value('pin_code.lock_after', p_day) - c.failures,
                                policy_value('pin_code.freeze_after', p_day) - c.day_failures));
    o_until := greatest(c.locked_until, pin_code_lock_until(c.failures, c.day_failures, p_now, p_day));
    UPDATE pin_code SET locked_until = o_until WHERE customer_id = p_customer AND locked_until IS DISTINCT FROM o_until;
END $$;

-- Settles a counted guess that was wrong. Returns how many guesses are left, and the end of the lock that this failure
-- begins or finds.
CREATE OR REPLACE FUNCTION trade_password_fail(
    p_customer uuid, p_now timestamptz, p_day date, OUT o_left int, OUT o_until timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    c credential;
BEGIN
    UPDATE credential
       SET trade_failures = trade_failures + 1, trade_in_flight = greatest(trade_in_flight - 1, 0), trade_day = p_day,
           trade_day_failures = CASE WHEN trade_day = p_day THEN trade_day_failures + 1 ELSE 1 END
     WHERE customer_id = p_customer RETURNING * INTO c;
    o_left := greatest(0, least(policy_value('trade_password.lock_after', p_day) - c.trade_failures,
                                policy_value('trade_password.freeze_after', p_day) - c.trade_day_failures));
    o_until := greatest(c.trade_locked_until,
                        trade_password_lock_until(c.trade_failures, c.trade_day_failures, p_now, p_day));
    UPDATE credential SET trade_locked_until = o_until
     WHERE customer_id = p_customer AND trade_locked_until IS DISTINCT FROM o_until;
END $$;

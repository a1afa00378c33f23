-- Returns the end of the lock or of the day's freeze that so many failures begin, or NULL. The freeze ends when the
-- next day begins in Shanghai.
CREATE OR REPLACE FUNCTION trade_password_lock_until(p_failures int, p_day_failures int, p_now timestamptz, p_day date)
RETURNS timestamptz STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN greatest(
        CASE WHEN p_failures >= policy_value('trade_password.lock_after', p_day)
             THEN p_now + make_interval(secs => policy_value('trade_password.lock_seconds', p_day)) END,
        CASE WHEN p_day_failures >= policy_value('trade_password.freeze_after', p_day)
             THEN (p_day + 1)::timestamp AT TIME ZONE 'Asia/Shanghai' END);
END $$;

-- Returns the end of the lock or of the day's freeze that so many wrong PIN codes begin, or NULL. The freeze ends when the next day
-- begins in Shanghai.
CREATE OR REPLACE FUNCTION pin_code_lock_until(p_failures int, p_day_failures int, p_now timestamptz, p_day date)
RETURNS timestamptz STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN greatest(
        CASE WHEN p_failures >= policy_value('pin_code.lock_after', p_day)
             THEN p_now + make_interval(secs => policy_value('pin_code.lock_seconds', p_day)) END,
        CASE WHEN p_day_failures >= policy_value('pin_code.freeze_after', p_day)
             THEN (p_day + 1)::timestamp AT TIME ZONE 'Asia/Shanghai' END);
END $$;

-- Counts an attempt at the login password of a number as failed, before the password is compared. The verdict is
--   open      the attempt is counted
--   reopened  the same, for the first attempt after a lock; the failures start anew
--   locked    not counted: the number is locked until o_until, or frozen
-- o_left is the number of attempts that are left if this one is wrong; with 0, this failure locks or freezes the number. o_until is
-- the end of the lock; it is NULL for a freeze, which only the bank lifts.
CREATE OR REPLACE FUNCTION login_count_number(
    p_phone bytea, p_now timestamptz, p_day date, OUT o_verdict text, OUT o_left int, OUT o_until timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_lock_after bigint := policy_value('login.lock_after', p_day);
    v_freeze_after bigint := policy_value('login.freeze_after', p_day);
    a login_attempt;
BEGIN
    INSERT INTO login_attempt (phone_bidx, day) VALUES (p_phone, p_day) ON CONFLICT DO NOTHING;
    SELECT * INTO a FROM login_attempt WHERE phone_bidx = p_phone FOR UPDATE;
    IF a.frozen OR a.locked_until > p_now THEN
        o_verdict := 'locked';
        o_left := 0;
        o_until := CASE WHEN NOT a.frozen THEN a.locked_until END;
        RETURN;
    END IF;
    o_verdict := 'open';
    IF a.locked_until IS NOT NULL THEN
        a.failures := 0;
        a.locked_until := NULL;
        o_verdict := 'reopened';
    END IF;
    IF a.day <> p_day THEN
        a.day := p_day;
        a.day_failures := 0;
    END IF;
    a.failures := a.failures + 1;
    a.day_failures := a.day_failures + 1;
    a.frozen := a.day_failures >= v_freeze_after;
    IF a.failures >= v_lock_after THEN
        a.locked_until := p_now + make_interval(secs => policy_value('login.lock_seconds', p_day));
    END IF;
    o_left := greatest(0, least(v_lock_after - a.failures, v_freeze_after - a.day_failures));
    o_until := CASE WHEN NOT a.frozen THEN a.locked_until END;
    UPDATE login_attempt
       SET failures = a.failures, day = a.day, day_failures = a.day_failures, locked_until = a.locked_until,
           frozen = a.frozen
     WHERE phone_bidx = p_phone;
END $$;

-- Counts the attempt as failed and returns 'open', or 'last' if a failure of this attempt locks or freezes. Returns
-- 'captcha' or 'locked' and does not count. The first counted attempt after a lock returns 'reopened open' or 'reopened
-- last'. A success resets the count.
--
-- p_phone is the blind index of the name that the attempt gives: the number or the alias. Every attempt counts against the
-- name and its origin together (device id and proved key). Only an attempt with the right code also counts against the
-- number, so that a stranger can't lock a number. An attempt with a wrong code never learns whether the number is locked, or
-- which number an alias belongs to.
CREATE OR REPLACE FUNCTION login_count_attempt(
    p_phone bytea, p_origin bytea, p_right_code boolean, p_captcha boolean, p_now timestamptz, p_day date
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_lock timestamptz := p_now + make_interval(secs => policy_value('login.lock_seconds', p_day));
    v_lock_after bigint := policy_value('login.lock_after', p_day);
    a login_attempt;
    o login_origin;
    v_number bytea := login_number(p_phone);
    v_reopened text := '';
    v_left int;
BEGIN
    INSERT INTO login_attempt (phone_bidx, day) VALUES (v_number, p_day) ON CONFLICT DO NOTHING;
    SELECT * INTO a FROM login_attempt WHERE phone_bidx = v_number FOR UPDATE;
    INSERT INTO login_origin (phone_bidx, origin, failed_at) VALUES (p_phone, p_origin, p_now) ON CONFLICT DO NOTHING;
    SELECT * INTO o FROM login_origin WHERE phone_bidx = p_phone AND origin = p_origin FOR UPDATE;
    IF o.locked_until <= p_now THEN
        o.failures := 0;
        o.locked_until := NULL;
        v_reopened := 'reopened ';
    END IF;
    IF NOT p_captcha AND o.failures >= policy_value('login.captcha_after', p_day) THEN
        RETURN 'captcha'; -- before a lock, so that this answer does not tell of one
    END IF;
    IF o.locked_until > p_now OR p_right_code AND (a.frozen OR a.locked_until > p_now) THEN
        RETURN 'locked';
    END IF;
    o.failures := o.failures + 1;
    IF o.failures >= v_lock_after THEN
        o.locked_until := v_lock;
    END IF;
    UPDATE login_origin SET failures = o.failures, locked_until = o.locked_until, failed_at = p_now
     WHERE phone_bidx = p_phone AND origin = p_origin;
    IF p_right_code THEN
        SELECT CASE WHEN n.o_verdict = 'reopened' THEN 'reopened ' ELSE v_reopened END, n.o_left INTO v_reopened, v_left
          FROM login_count_number(v_number, p_now, p_day) AS n;
    END IF;
    RETURN v_reopened || CASE WHEN o.locked_until IS NOT NULL OR v_left = 0 THEN 'last' ELSE 'open' END;
END $$;

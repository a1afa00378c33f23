-- Counts the attempt as failed and returns 'open', or 'last' if a failure of this attempt locks or freezes the
-- number. Returns 'captcha' or 'locked' and does not count. The first counted attempt after a lock returns 'reopened
-- open' or 'reopened last'. A success resets the count.
CREATE OR REPLACE FUNCTION login_count_attempt(p_phone bytea, p_now timestamptz, p_day date, p_captcha boolean)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a login_attempt;
    v_freezes boolean;
    v_reopened text := '';
BEGIN
    INSERT INTO login_attempt (phone_bidx, day) VALUES (p_phone, p_day) ON CONFLICT DO NOTHING;
    SELECT * INTO a FROM login_attempt WHERE phone_bidx = p_phone FOR UPDATE;
    IF a.frozen OR a.locked_until > p_now THEN
        RETURN 'locked';
    END IF;
    IF a.locked_until IS NOT NULL THEN
        a.failures := 0;
        a.locked_until := NULL;
        v_reopened := 'reopened ';
    END IF;
    IF a.day <> p_day THEN
        a.day := p_day;
        a.day_failures := 0;
    END IF;
    IF a.failures >= policy_value('login.captcha_after', p_day) AND NOT p_captcha THEN
        RETURN 'captcha';
    END IF;
    a.failures := a.failures + 1;
    a.day_failures := a.day_failures + 1;
    IF a.failures >= policy_value('login.lock_after', p_day) THEN
        a.locked_until := p_now + make_interval(secs => policy_value('login.lock_seconds', p_day));
    END IF;
    v_freezes := a.day_failures >= policy_value('login.freeze_after', p_day);
    UPDATE login_attempt
       SET failures = a.failures, day = a.day, day_failures = a.day_failures, locked_until = a.locked_until,
           frozen = v_freezes
     WHERE phone_bidx = p_phone;
    RETURN v_reopened || CASE WHEN a.locked_until IS NOT NULL OR v_freezes THEN 'last' ELSE 'open' END;
END $$;

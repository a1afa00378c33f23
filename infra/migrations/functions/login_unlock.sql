-- Lifts the lock and the freeze of a number's log-ins. Raises LOGIN_NOT_LOCKED if the number is neither locked nor
-- frozen.
CREATE OR REPLACE FUNCTION login_unlock(p_phone bytea, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE login_attempt SET failures = 0, day_failures = 0, locked_until = NULL, frozen = false
     WHERE phone_bidx = p_phone AND (frozen OR locked_until > p_now);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LOGIN_NOT_LOCKED';
    END IF;
END $$;

-- Lifts the lock and the freeze of a number's log-ins, on all devices, and of those by its holder's alias. Raises
-- LOGIN_NOT_LOCKED if nothing is locked or frozen.
CREATE OR REPLACE FUNCTION login_unlock(p_phone bytea, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_number boolean;
    v_device boolean;
BEGIN
    UPDATE login_attempt SET failures = 0, day_failures = 0, locked_until = NULL, frozen = false
     WHERE phone_bidx = p_phone AND (frozen OR locked_until > p_now);
    v_number := FOUND;
    DELETE FROM login_origin
     WHERE phone_bidx IN (p_phone, (SELECT alias_bidx FROM customer WHERE phone_bidx = p_phone)) AND locked_until > p_now;
    v_device := FOUND;
    IF NOT v_number AND NOT v_device THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LOGIN_NOT_LOCKED';
    END IF;
END $$;

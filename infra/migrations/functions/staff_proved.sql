-- Takes the failures back after a right password, if p_settles: all of the name, and one of the address. A call settles
-- once; if it has done so before, it only locks the member and compares. Raises STAFF_STALE if the member's
-- password is no longer the text with which the call compared the guess, or if a password that the bank has given was used or has
-- ended. The row lock lasts until the call commits. A password that the bank has given is used up.
CREATE OR REPLACE FUNCTION staff_proved(p_id uuid, p_stored text, p_address text, p_now timestamptz, p_logs_in boolean,
    p_settles boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s staff;
BEGIN
    SELECT * INTO s FROM staff WHERE id = p_id AND active FOR NO KEY UPDATE;
    IF NOT FOUND OR p_logs_in AND s.given_until <= p_now OR p_stored IS DISTINCT FROM
       staff_password_of(p_id) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'STAFF_STALE';
    END IF;
    IF p_settles THEN
        UPDATE staff_attempt SET failures = failures - 1, locked_until = NULL
         WHERE subject = 'address ' || p_address AND failures > 0;
        UPDATE staff_attempt SET failures = 0, locked_until = NULL WHERE subject = 'name ' || s.login_name;
    END IF;
    IF p_logs_in THEN
        UPDATE staff SET last_login_at = p_now, given_until = CASE WHEN given_until IS NOT NULL THEN 'epoch'::timestamptz END
         WHERE id = p_id;
    END IF;
END $$;

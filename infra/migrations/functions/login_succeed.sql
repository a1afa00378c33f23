-- Stores a login by password (login_record). Raises LOGIN_STALE if the stored password is no longer the text with which the
-- login compared the guess: a change or a reset has replaced it. The row lock lasts until the login commits, so no login by an
-- earlier password commits after the change.
CREATE OR REPLACE FUNCTION login_succeed(p_customer uuid, p_stored text, p_now timestamptz, p_device text, p_verified boolean,
    p_place text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM credential WHERE customer_id = p_customer AND login_password = p_stored FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LOGIN_STALE';
    END IF;
    PERFORM login_record(p_customer, p_now, p_device, p_verified, p_place);
END $$;

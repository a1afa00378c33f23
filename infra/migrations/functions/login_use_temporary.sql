-- Uses a temporary login password up. Raises LOGIN_STALE if it is used up or has ended.
CREATE OR REPLACE FUNCTION login_use_temporary(p_customer uuid, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credential SET login_until = 'epoch' WHERE customer_id = p_customer AND login_until > p_now;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LOGIN_STALE';
    END IF;
END $$;

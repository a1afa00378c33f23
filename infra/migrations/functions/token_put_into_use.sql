-- Puts the customer's issued token into use. If there is none, it raises an error, so that the unit of work rolls back.
CREATE OR REPLACE FUNCTION token_put_into_use(p_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE token SET state = 'active' WHERE customer_id = p_customer AND state = 'issued';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'TOKEN_NONE';
    END IF;
END $$;

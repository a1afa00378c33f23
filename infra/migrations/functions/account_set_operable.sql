-- Adds the customer's account to those that mobile banking operates, or removes it. It raises an error if the account is there
-- already, or not there.
CREATE OR REPLACE FUNCTION account_set_operable(p_account uuid, p_customer uuid, p_operable boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account SET operable = p_operable
     WHERE id = p_account AND customer_id = p_customer AND operable <> p_operable AND state <> 'closed';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OBJECT_NOT_FOUND';
    END IF;
END $$;

-- Opens the customer's account that is reported lost. It raises an error if the account is not lost.
CREATE OR REPLACE FUNCTION account_lift_loss(p_account uuid, p_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account SET state = 'open' WHERE id = p_account AND customer_id = p_customer AND state = 'lost';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'ACCOUNT_NOT_LOST';
    END IF;
END $$;

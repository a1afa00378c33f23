-- Marks the customer's account as lost. From then on, no money moves on it. A second report changes nothing. A frozen or closed
-- account keeps its state: lifting the loss report must not open it.
CREATE OR REPLACE FUNCTION account_report_lost(p_account uuid, p_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE account SET state = 'lost' WHERE id = p_account AND customer_id = p_customer AND state IN ('open', 'lost');
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE =
            CASE WHEN EXISTS (SELECT FROM account WHERE id = p_account AND customer_id = p_customer)
                 THEN 'ACCOUNT_CLOSED' ELSE 'OBJECT_NOT_FOUND' END;
    END IF;
END $$;

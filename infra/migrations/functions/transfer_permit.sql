-- Refuses a transfer of the customer from an account that mobile banking does not operate for this customer, and one that needs
-- the contract for fund transactions, if there is none.
CREATE OR REPLACE FUNCTION transfer_permit(p_customer uuid, p_debit uuid, p_credit uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM account WHERE id = p_debit AND customer_id = p_customer AND operable) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'ACCOUNT_CLOSED';
    END IF;
    IF NOT transfer_open(p_customer, p_credit) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'FUND_CONTRACT_MISSING';
    END IF;
END $$;

-- Takes the customer's token out of use for good, and deletes its seed. If there is none, it raises an error, so that the
-- unit of work rolls back.
CREATE OR REPLACE FUNCTION token_report_lost(p_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE token SET state = 'lost', seed_ct = '' WHERE customer_id = p_customer AND state <> 'lost';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'TOKEN_NONE';
    END IF;
END $$;

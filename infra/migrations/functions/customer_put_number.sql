-- Gives a customer another phone number and keeps the earlier one, both sealed. p_read is the sealed number that the caller has read
-- and kept as p_former. Raises PHONE_STALE if another change has replaced it meanwhile, so that each number that a customer had is
-- told of the change; and if another change was confirmed since this one was prepared: its codes went to an earlier number. The constraint customer_phone_unique refuses a number that another customer has.
CREATE OR REPLACE FUNCTION customer_put_number(
    p_customer uuid, p_change uuid, p_read bytea, p_former bytea, p_sealed bytea, p_index bytea, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE customer SET phone_ct = p_sealed, phone_bidx = p_index WHERE id = p_customer AND phone_ct = p_read;
    IF NOT FOUND OR EXISTS (
        SELECT FROM phone_change WHERE customer_id = p_customer
           AND changed_at >= (SELECT created_at FROM intent WHERE id = p_change)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'PHONE_STALE';
    END IF;
    INSERT INTO phone_change (id, customer_id, former_ct, changed_at) VALUES (p_change, p_customer, p_former, p_now);
END $$;

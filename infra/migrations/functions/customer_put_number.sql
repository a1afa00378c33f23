-- Gives a customer another phone number and keeps the earlier one, both sealed. p_read is the sealed number that the caller has read
-- and kept as p_former. Raises PHONE_STALE if another change has replaced it meanwhile, so that each number that a customer had is
-- told of the change. The constraint customer_phone_unique refuses a number that another customer has.
CREATE OR REPLACE FUNCTION customer_put_number(
    p_customer uuid, p_change uuid, p_read bytea, p_former bytea, p_sealed bytea, p_index bytea, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE customer SET phone_ct = p_sealed, phone_bidx = p_index WHERE id = p_customer AND phone_ct = p_read;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'PHONE_STALE';
    END IF;
    INSERT INTO phone_change (id, customer_id, former_ct, changed_at) VALUES (p_change, p_customer, p_former, p_now);
END $$;

-- Stores the count of a passkey's signature that confirms something. Raises PASSKEY_REPLAYED if the stored count is as high, or if
-- the device has another passkey now. So of signatures with one count, one is accepted, however many come at once.
CREATE OR REPLACE FUNCTION device_use_passkey(p_customer uuid, p_device text, p_id bytea, p_count bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET passkey_count = p_count
     WHERE customer_id = p_customer AND device_id = p_device AND passkey_id = p_id AND passkey_count < p_count;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'PASSKEY_REPLAYED';
    END IF;
END $$;

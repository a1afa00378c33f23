-- Stores the passkey of a customer's device, in place of an earlier one. Raises DEVICE_UNBOUND if the customer has bound no key
-- on the device.
CREATE OR REPLACE FUNCTION device_put_passkey(p_customer uuid, p_device text, p_id bytea, p_public_key bytea, p_count bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET passkey_id = p_id, passkey_public_key = p_public_key, passkey_count = p_count
     WHERE customer_id = p_customer AND device_id = p_device;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'DEVICE_UNBOUND';
    END IF;
END $$;

-- Stores the public key of a customer's device that its fingerprint or its face unlocks, in place of an earlier one. Raises
-- DEVICE_UNBOUND if the customer has bound no key on the device.
CREATE OR REPLACE FUNCTION device_put_unlock_key(p_customer uuid, p_device text, p_method text, p_key bytea)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET fingerprint_key = CASE WHEN p_method = 'fingerprint' THEN p_key ELSE fingerprint_key END,
           face_key = CASE WHEN p_method = 'face' THEN p_key ELSE face_key END
     WHERE customer_id = p_customer AND device_id = p_device;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'DEVICE_UNBOUND';
    END IF;
END $$;

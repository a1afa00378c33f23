-- Forgets the key that the customer has bound on a device. Raises DEVICE_NONE if there is none, and DEVICE_LOCKED if the
-- log-in is locked to the device: unbinding needs one factor, and releasing the lock two.
CREATE OR REPLACE FUNCTION device_drop_key(p_customer uuid, p_device text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_locked boolean;
BEGIN
    DELETE FROM device WHERE customer_id = p_customer AND device_id = p_device RETURNING locked INTO v_locked;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'DEVICE_NONE';
    ELSIF v_locked THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'DEVICE_LOCKED';
    END IF;
END $$;

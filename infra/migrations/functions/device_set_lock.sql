-- Locks the customer's log-in to a bound device, in place of an earlier one. Raises DEVICE_UNBOUND if the customer has bound
-- no key on the device.
CREATE OR REPLACE FUNCTION device_set_lock(p_customer uuid, p_device text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET locked = true WHERE customer_id = p_customer AND device_id = p_device;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'DEVICE_UNBOUND';
    END IF;
    UPDATE device SET locked = false WHERE customer_id = p_customer AND device_id <> p_device AND locked;
END $$;

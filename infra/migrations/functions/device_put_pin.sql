-- Stores the PIN of a customer's device, in place of an earlier one, and forgets its failures. Raises DEVICE_UNBOUND if the
-- customer has bound no key on the device.
CREATE OR REPLACE FUNCTION device_put_pin(p_customer uuid, p_device text, p_pin text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET pin = p_pin, pin_failures = 0 WHERE customer_id = p_customer AND device_id = p_device;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'DEVICE_UNBOUND';
    END IF;
END $$;

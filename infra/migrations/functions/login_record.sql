-- Stores a login as the customer's last login. Raises DEVICE_LOCKED if the customer has locked the log-in to another device, or
-- if this device has not proved its bound key (DEVICE-010).
CREATE OR REPLACE FUNCTION login_record(p_customer uuid, p_now timestamptz, p_device text, p_verified boolean, p_place text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credential SET previous_login_at = last_login_at, previous_login_device = last_login_device,
           previous_login_verified = last_login_verified, previous_login_place = last_login_place,
           last_login_at = p_now, last_login_device = p_device, last_login_verified = p_verified, last_login_place = p_place
     WHERE customer_id = p_customer;
    IF EXISTS (SELECT FROM device WHERE customer_id = p_customer AND locked AND NOT (p_verified AND device_id = p_device)) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'DEVICE_LOCKED';
    END IF;
END $$;

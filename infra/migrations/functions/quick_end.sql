-- Ends a quick login that was right: it has proved the bound key, and wrong gestures or PINs start anew after a right one. Raises
-- LOGIN_STALE if the device's key, or what the login was compared with (p_stored, p_unlock_key, p_passkey), is replaced, or if the
-- passkey's count is used. The row lock lasts until the login commits.
CREATE OR REPLACE FUNCTION quick_end(
    p_customer uuid, p_device text, p_key bytea, p_method text, p_stored text, p_unlock_key bytea, p_passkey bytea, p_count bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET proved = true,
           gesture_failures = CASE WHEN p_method = 'gesture' THEN 0 ELSE gesture_failures END,
           pin_failures = CASE WHEN p_method IN ('pin', 'soft_ukey') THEN 0 ELSE pin_failures END,
           passkey_count = CASE WHEN p_method = 'passkey' THEN p_count ELSE passkey_count END
     WHERE customer_id = p_customer AND device_id = p_device AND public_key = p_key
       AND CASE p_method WHEN 'gesture' THEN gesture = p_stored
                         WHEN 'pin' THEN pin = p_stored
                         WHEN 'soft_ukey' THEN pin = p_stored
                         WHEN 'passkey' THEN passkey_id = p_passkey AND passkey_count < p_count
                         WHEN 'fingerprint' THEN fingerprint_key = p_unlock_key
                         WHEN 'face' THEN face_key = p_unlock_key ELSE false END;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LOGIN_STALE';
    END IF;
END $$;

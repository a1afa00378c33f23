-- Ends a quick login that was right: it has proved the bound key, and wrong gestures start anew after a right one. Raises
-- LOGIN_STALE if the device's key, its gesture (p_gesture) or its unlock key (p_unlock_key) is no longer what the login was compared
-- with. The row lock lasts until the login commits.
CREATE OR REPLACE FUNCTION quick_succeed(p_customer uuid, p_device text, p_key bytea, p_gesture text, p_unlock_key bytea)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE device SET proved = true, gesture_failures = CASE WHEN p_gesture IS NULL THEN gesture_failures ELSE 0 END
     WHERE customer_id = p_customer AND device_id = p_device AND public_key = p_key
       AND (gesture = p_gesture OR p_unlock_key IN (fingerprint_key, face_key));
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LOGIN_STALE';
    END IF;
END $$;

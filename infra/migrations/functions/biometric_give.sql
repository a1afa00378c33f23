-- Stores that the customer consents to a purpose, after the notice. It waits for a withdrawal that is under way
-- (biometric_withdraw), and a withdrawal for it: the last withdrawal sees each consent that is stored before it.
CREATE OR REPLACE FUNCTION biometric_give(p_id uuid, p_customer uuid, p_purpose text, p_notice text, p_device text, p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('biometric consent of ' || p_customer, 0));
    INSERT INTO biometric_consent (id, customer_id, purpose, given, notice, device_id, changed_at)
    VALUES (p_id, p_customer, p_purpose, true, p_notice, p_device, p_at);
END $$;

-- Stores that the customer withdraws the consent to a purpose. Withdrawals of one customer come one after the other, so that the
-- last one sees that it is the last (bio_forget_unconsented).
CREATE OR REPLACE FUNCTION biometric_withdraw(p_id uuid, p_customer uuid, p_purpose text, p_device text, p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('biometric consent of ' || p_customer, 0));
    INSERT INTO biometric_consent (id, customer_id, purpose, given, notice, device_id, changed_at)
    VALUES (p_id, p_customer, p_purpose, false, '', p_device, p_at);
END $$;

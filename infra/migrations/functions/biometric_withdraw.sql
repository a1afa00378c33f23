-- Stores that the customer withdraws the consent to a purpose. If no consent to another purpose is left, it deletes what the
-- biometric store and the tables of an earlier release hold of the person. Withdrawals of one customer come one after the
-- other, so that the last one sees that it is the last.
CREATE OR REPLACE FUNCTION biometric_withdraw(
    p_id uuid, p_customer uuid, p_person bytea, p_purpose text, p_device text, p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('biometric consent of ' || p_customer, 0));
    INSERT INTO biometric_consent (id, customer_id, purpose, given, notice, device_id, changed_at)
    VALUES (p_id, p_customer, p_purpose, false, '', p_device, p_at);
    IF biometric_consented(p_customer, 'transfer') OR biometric_consented(p_customer, 'security') THEN
        RETURN;
    END IF;
    DELETE FROM bio_reference WHERE person = p_person;
    DELETE FROM bio_result WHERE person = p_person;
    DELETE FROM face_reference WHERE customer_id = p_customer;
    UPDATE face_check SET template_digest = '' WHERE customer_id = p_customer AND template_digest <> '';
END $$;

-- Deletes what the biometric store and the tables of an earlier release hold of a person who consents to no purpose any more.
CREATE OR REPLACE FUNCTION bio_forget_unconsented(p_customer uuid, p_person bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF biometric_consented(p_customer, 'transfer') OR biometric_consented(p_customer, 'security') THEN
        RETURN;
    END IF;
    DELETE FROM bio_reference WHERE person = p_person;
    DELETE FROM bio_result WHERE person = p_person;
    DELETE FROM face_reference WHERE customer_id = p_customer;
    UPDATE face_check SET template_digest = '' WHERE customer_id = p_customer AND template_digest <> '';
END $$;

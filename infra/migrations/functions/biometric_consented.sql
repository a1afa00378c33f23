-- Tells if the customer's newest decision about the purpose is a consent (BIO-007).
CREATE OR REPLACE FUNCTION biometric_consented(p_customer uuid, p_purpose text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT given FROM biometric_consent WHERE customer_id = p_customer AND purpose = p_purpose
                      ORDER BY changed_at DESC, id DESC LIMIT 1), false)
$$;

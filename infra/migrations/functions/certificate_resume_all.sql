-- Resumes the customer's suspended certificates. Revoked ones stay as they are. It refuses if there is none.
CREATE OR REPLACE FUNCTION certificate_resume_all(p_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE certificate SET suspended_at = NULL WHERE customer_id = p_customer AND suspended_at IS NOT NULL AND revoked_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'CERT_NONE';
    END IF;
END $$;

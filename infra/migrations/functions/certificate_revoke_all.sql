-- Revokes the certificates of a customer that are valid. If there is none, it raises an error, so that the unit of work rolls
-- back.
CREATE OR REPLACE FUNCTION certificate_revoke_all(p_customer uuid, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE certificate SET revoked_at = p_at WHERE customer_id = p_customer AND revoked_at IS NULL AND valid_until > p_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'CERT_NONE';
    END IF;
END $$;

-- Suspends the customer's valid certificates. It refuses if there is none that is not suspended.
CREATE OR REPLACE FUNCTION certificate_suspend_all(p_customer uuid, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE certificate SET suspended_at = p_now
     WHERE customer_id = p_customer AND suspended_at IS NULL AND revoked_at IS NULL AND valid_until > p_now;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'CERT_NONE';
    END IF;
END $$;

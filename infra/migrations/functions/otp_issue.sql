-- Counts a code in its quotas, each with the name of its maximum in the policy, and stores its challenge, which
-- replaces the subject's earlier challenge. The challenge holds its maximum of tries, so that counting an attempt reads
-- no policy.
CREATE OR REPLACE FUNCTION otp_issue(
    p_subject text, p_purpose text, p_phone bytea, p_customer uuid, p_device text, p_nonce bytea, p_binding bytea,
    p_quotas bytea[], p_maxima text[], p_now timestamptz, p_day date
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_tries bigint := policy_value('otp.tries', p_day);
    v_expires timestamptz := p_now + make_interval(secs => policy_value('otp.life_seconds', p_day));
    v_pause interval := make_interval(secs => policy_value('otp.resend_seconds', p_day));
BEGIN
    FOR i IN 1 .. cardinality(p_quotas) LOOP
        PERFORM otp_count(p_quotas[i], p_phone, policy_value(p_maxima[i], p_day), v_pause, p_now);
    END LOOP;
    INSERT INTO otp_challenge AS c (subject, purpose, phone_bidx, customer_id, device_id, nonce, binding,
                                    issued_at, expires_at, max_tries)
    VALUES (p_subject, p_purpose, p_phone, p_customer, p_device, p_nonce, p_binding, p_now, v_expires, v_tries)
    ON CONFLICT (subject) DO UPDATE
       SET purpose = p_purpose, phone_bidx = p_phone, customer_id = p_customer, device_id = p_device,
           nonce = p_nonce, binding = p_binding, issued_at = p_now, expires_at = v_expires,
           tries = 0, in_flight = 0, max_tries = v_tries, used_at = NULL;
END $$;

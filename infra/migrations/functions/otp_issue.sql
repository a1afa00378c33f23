-- Counts a code in the number's quota and stores its challenge, which replaces the subject's earlier challenge. The
-- challenge holds its maximum of tries, so that counting an attempt reads no policy.
CREATE OR REPLACE FUNCTION otp_issue(
    p_subject text, p_purpose text, p_phone bytea, p_customer uuid, p_device text, p_nonce bytea, p_binding bytea,
    p_now timestamptz, p_day date
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_tries bigint := policy_value('otp.tries', p_day);
    v_expires timestamptz := p_now + make_interval(secs => policy_value('otp.life_seconds', p_day));
    v_day_max bigint := policy_value('otp.day_max', p_day);
    v_resend interval := make_interval(secs => policy_value('otp.resend_seconds', p_day));
BEGIN
    INSERT INTO otp_quota AS q (phone_bidx, day, sent, last_at)
    VALUES (p_phone, p_day, 1, jsonb_build_object(p_purpose, extract(epoch FROM p_now)))
    ON CONFLICT (phone_bidx, day) DO UPDATE SET sent = q.sent + 1, last_at = q.last_at || excluded.last_at
     WHERE q.sent < v_day_max
       AND coalesce((q.last_at ->> p_purpose)::numeric, 0) <= extract(epoch FROM p_now - v_resend);
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OTP_TOO_OFTEN';
    END IF;
    INSERT INTO otp_challenge AS c (subject, purpose, phone_bidx, customer_id, device_id, nonce, binding,
                                    issued_at, expires_at, max_tries)
    VALUES (p_subject, p_purpose, p_phone, p_customer, p_device, p_nonce, p_binding, p_now, v_expires, v_tries)
    ON CONFLICT (subject) DO UPDATE
       SET purpose = p_purpose, phone_bidx = p_phone, customer_id = p_customer, device_id = p_device,
           nonce = p_nonce, binding = p_binding, issued_at = p_now, expires_at = v_expires,
           tries = 0, in_flight = 0, max_tries = v_tries, used_at = NULL;
END $$;

-- why: one statement counts an attempt before the bank compares the guess, so that parallel guesses can't exceed a
-- bound.
-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION otp_issue(
    p_subject text, p_purpose text, p_phone bytea, p_customer uuid, p_nonce bytea, p_binding bytea,
    p_now timestamptz, p_day date, p_life interval
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO otp_quota AS q (phone_bidx, day, sent, last_at)
    VALUES (p_phone, p_day, 1, jsonb_build_object(p_purpose, extract(epoch FROM p_now)))
    ON CONFLICT (phone_bidx, day) DO UPDATE SET sent = q.sent + 1, last_at = q.last_at || excluded.last_at
     WHERE q.sent < 10
       AND coalesce((q.last_at ->> p_purpose)::numeric, 0) <= extract(epoch FROM p_now - interval '60 seconds');
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OTP_TOO_OFTEN';
    END IF;
    INSERT INTO otp_challenge AS c (subject, purpose, phone_bidx, customer_id, nonce, binding, issued_at, expires_at)
    VALUES (p_subject, p_purpose, p_phone, p_customer, p_nonce, p_binding, p_now, p_now + p_life)
    ON CONFLICT (subject) DO UPDATE
       SET purpose = p_purpose, phone_bidx = p_phone, customer_id = p_customer, nonce = p_nonce, binding = p_binding,
           issued_at = p_now, expires_at = p_now + p_life, tries = 0, used_at = NULL;
END $$;

CREATE FUNCTION otp_use(p_subject text, p_nonce bytea, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE otp_challenge SET used_at = p_now WHERE subject = p_subject AND nonce = p_nonce AND used_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OTP_USED';
    END IF;
END $$;

-- Counts the attempt and returns 'open', or 'last' if a failure of this attempt locks. Returns 'captcha' or 'locked'
-- and does not count. A success resets the count.
CREATE FUNCTION login_charge(p_phone bytea, p_now timestamptz, p_day date, p_captcha boolean)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a login_attempt;
BEGIN
    INSERT INTO login_attempt (phone_bidx, day) VALUES (p_phone, p_day) ON CONFLICT DO NOTHING;
    SELECT * INTO a FROM login_attempt WHERE phone_bidx = p_phone FOR UPDATE;
    IF a.frozen OR a.locked_until > p_now THEN
        RETURN 'locked';
    END IF;
    IF a.locked_until IS NOT NULL THEN
        a.failures := 0;
        a.locked_until := NULL;
    END IF;
    IF a.day <> p_day THEN
        a.day := p_day;
        a.day_failures := 0;
    END IF;
    IF a.failures >= 3 AND NOT p_captcha THEN
        RETURN 'captcha';
    END IF;
    a.failures := a.failures + 1;
    a.day_failures := a.day_failures + 1;
    IF a.failures >= 5 THEN
        a.locked_until := p_now + interval '30 minutes';
    END IF;
    UPDATE login_attempt
       SET failures = a.failures, day = a.day, day_failures = a.day_failures, locked_until = a.locked_until,
           frozen = a.day_failures >= 10
     WHERE phone_bidx = p_phone;
    RETURN CASE WHEN a.locked_until IS NOT NULL OR a.day_failures >= 10 THEN 'last' ELSE 'open' END;
END $$;
-- +goose StatementEnd

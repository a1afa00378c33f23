-- Uses up a code. Raises OTP_USED if the code is used or replaced.
CREATE OR REPLACE FUNCTION otp_use(p_subject text, p_nonce bytea, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE otp_challenge SET used_at = p_now WHERE subject = p_subject AND nonce = p_nonce AND used_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OTP_USED';
    END IF;
END $$;

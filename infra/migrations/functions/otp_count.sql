-- Counts a number's code in a quota of 24 hours that end now. Raises OTP_TOO_OFTEN, with the seconds to wait as the detail, if the
-- quota is used up or its last code is too recent.
CREATE OR REPLACE FUNCTION otp_count(
    p_quota bytea, p_phone bytea, p_max bigint, p_pause interval, p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_sent timestamptz[];
    v_count bigint;
    v_free timestamptz;
BEGIN
    INSERT INTO otp_quota (quota, sent, last_at) VALUES (p_quota, '{}', p_now) ON CONFLICT DO NOTHING;
    SELECT sent INTO v_sent FROM otp_quota WHERE quota = p_quota FOR UPDATE;
    v_sent := ARRAY(SELECT at FROM unnest(v_sent) AS at WHERE at > p_now - interval '24 hours' ORDER BY at);
    v_count := cardinality(v_sent);
    v_free := v_sent[v_count] + p_pause;
    IF v_count >= p_max THEN
        v_free := greatest(v_free, coalesce(v_sent[v_count - p_max + 1], p_now) + interval '24 hours');
    END IF;
    IF v_free > p_now THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OTP_TOO_OFTEN',
            DETAIL = extract(epoch FROM v_free - p_now)::text;
    END IF;
    UPDATE otp_quota SET sent = v_sent || p_now, last_at = p_now, phone_bidx = p_phone WHERE quota = p_quota;
END $$;

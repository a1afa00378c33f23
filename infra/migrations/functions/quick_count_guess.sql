-- Uses the challenge of a quick login up, and counts a guess at a gesture or PIN as failed before it is compared. A success, or a
-- login by password on the device, resets the count. A soft UKey needs the PIN too. The verdict is
--   open, last   the login may go on; if this guess is wrong, last locks the gesture or the PIN
--   captcha      not counted: after so many wrong guesses, the customer must solve a graphic code first
--   locked       not counted: the gesture or PIN is locked, or the number's log-ins are locked or frozen
--   challenge    not counted: the challenge is used, expired or of another channel
--   unset        not counted: the customer has not set this method on the device
--   unbound      not counted: no customer of this name has bound this key on the device
-- Only the holder of a bound key gets another verdict than unbound. So a stranger learns nothing, and locks nothing.
CREATE OR REPLACE FUNCTION quick_count_guess(
    p_name bytea, p_device text, p_key bytea, p_channel bytea, p_challenge bytea, p_method text, p_captcha boolean,
    p_now timestamptz, p_day date, OUT o_verdict text, OUT o_customer uuid, OUT o_stored text, OUT o_unlock_key bytea,
    OUT o_passkey bytea, OUT o_passkey_public_key bytea, OUT o_passkey_count bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_pin boolean := p_method IN ('pin', 'soft_ukey');
    v_guess boolean := v_pin OR p_method = 'gesture';
    v_lock_after bigint := policy_value(CASE WHEN v_pin THEN 'pin.lock_after' ELSE 'gesture.lock_after' END, p_day);
    v_captcha_after bigint := policy_value('login.captcha_after', p_day);
    v_fresh boolean;
    v_locked boolean;
    v_set boolean;
    v_failures int;
    v_most bigint := CASE WHEN p_captcha THEN v_lock_after ELSE least(v_captcha_after, v_lock_after) END;
BEGIN
    DELETE FROM login_challenge WHERE challenge = p_challenge AND channel = p_channel AND expires_at > p_now;
    v_fresh := FOUND;
    SELECT d.customer_id, CASE WHEN v_pin THEN d.pin_failures ELSE d.gesture_failures END,
           CASE p_method WHEN 'fingerprint' THEN d.fingerprint_key WHEN 'face' THEN d.face_key END,
           CASE p_method WHEN 'passkey' THEN d.passkey_id END, CASE p_method WHEN 'passkey' THEN d.passkey_public_key END,
           d.passkey_count,
           CASE WHEN v_pin THEN d.pin IS NOT NULL WHEN v_guess THEN d.gesture IS NOT NULL
                WHEN p_method = 'fingerprint' THEN d.fingerprint_key IS NOT NULL WHEN p_method = 'face' THEN d.face_key IS NOT NULL
                WHEN p_method = 'passkey' THEN d.passkey_public_key IS NOT NULL ELSE false END,
           EXISTS (SELECT FROM login_attempt a WHERE a.phone_bidx = c.phone_bidx AND (a.frozen OR a.locked_until > p_now))
      INTO o_customer, v_failures, o_unlock_key, o_passkey, o_passkey_public_key, o_passkey_count, v_set, v_locked
      FROM customer c JOIN device d ON d.customer_id = c.id
     WHERE (c.phone_bidx = p_name OR c.alias_bidx = p_name) AND d.device_id = p_device AND d.public_key = p_key;
    o_verdict := CASE
        WHEN o_customer IS NULL THEN 'unbound'
        WHEN NOT v_fresh THEN 'challenge'
        WHEN NOT v_set THEN 'unset'
        WHEN v_guess AND NOT p_captcha AND v_failures >= v_captcha_after THEN 'captcha' -- before a lock: it tells of none
        WHEN v_locked OR v_guess AND v_failures >= v_lock_after THEN 'locked'
        ELSE 'open' END;
    IF o_verdict <> 'open' THEN
        o_unlock_key := NULL;
        o_passkey_public_key := NULL;
    ELSIF v_guess THEN
        -- Guesses at once may all have come so far. Each of them that counts sees the count before it.
        IF v_pin THEN
            UPDATE device SET pin_failures = pin_failures + 1
             WHERE customer_id = o_customer AND device_id = p_device AND public_key = p_key AND pin IS NOT NULL AND pin_failures < v_most
            RETURNING pin, pin_failures INTO o_stored, v_failures;
        ELSE
            UPDATE device SET gesture_failures = gesture_failures + 1
             WHERE customer_id = o_customer AND device_id = p_device AND public_key = p_key AND gesture IS NOT NULL
               AND gesture_failures < v_most
            RETURNING gesture, gesture_failures INTO o_stored, v_failures;
        END IF;
        o_verdict := CASE WHEN NOT FOUND THEN 'locked' WHEN v_failures >= v_lock_after THEN 'last' ELSE 'open' END;
    END IF;
END $$;

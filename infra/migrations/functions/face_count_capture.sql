-- Counts a check as failed for each subject, before the engine is asked, and uses its challenge up. The verdict is
--   open       the check is counted; the caller asks the engine and settles the check
--   suspended  not counted: too many checks have failed, until o_until
--   consent    not counted: the customer does not consent, or no more, to the purpose of the check
--   reference  not counted: the person has no photo that was taken after p_oldest
--   refused    not counted: the challenge is used, expired, unknown, or of another customer, device or channel
-- o_left is the number of checks that are left if this one fails.
CREATE OR REPLACE FUNCTION face_count_capture(
    p_id uuid, p_customer uuid, p_device text, p_channel bytea, p_person bytea, p_subjects bytea[], p_oldest timestamptz,
    p_now timestamptz, p_day date,
    OUT o_verdict text, OUT o_until timestamptz, OUT o_nonce bytea, OUT o_actions text[], OUT o_reference bytea,
    OUT o_taken timestamptz, OUT o_left int
) LANGUAGE plpgsql AS $$
DECLARE
    v_since timestamptz := p_now - make_interval(secs => policy_value('face.attempts_seconds', p_day));
BEGIN
    -- Every check takes its locks in the order of the subjects, and then that of its own row.
    INSERT INTO face_attempt (subject, failed, last_at)
    SELECT one, '{}', p_now FROM unnest(p_subjects) AS one ORDER BY 1 ON CONFLICT DO NOTHING;
    PERFORM FROM face_attempt WHERE subject = ANY (p_subjects) ORDER BY subject FOR UPDATE;
    o_until := face_suspended_until(p_subjects, p_now, p_day);
    IF o_until IS NOT NULL THEN
        o_verdict := 'suspended';
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM face_check WHERE id = p_id AND customer_id = p_customer AND NOT biometric_consented(p_customer, purpose)) THEN
        o_verdict := 'consent';
        RETURN;
    END IF;
    SELECT reference_ct, taken_at INTO o_reference, o_taken FROM bio_reference WHERE person = p_person AND taken_at > p_oldest;
    IF NOT FOUND THEN
        o_verdict := 'reference';
        RETURN;
    END IF;
    UPDATE face_check SET state = 'tried', tried_at = p_now
     WHERE id = p_id AND customer_id = p_customer AND device_id = p_device AND channel = p_channel
       AND state = 'open' AND expires_at > p_now
    RETURNING nonce, actions INTO o_nonce, o_actions;
    IF NOT FOUND THEN
        o_verdict := 'refused';
        RETURN;
    END IF;
    UPDATE face_attempt
       SET failed = ARRAY(SELECT at FROM unnest(failed) AS at WHERE at > v_since) || p_now, last_at = p_now
     WHERE subject = ANY (p_subjects);
    o_verdict := 'open';
    SELECT least(5, policy_value('face.attempts_max', p_day)) - max(cardinality(failed)) INTO o_left
      FROM face_attempt WHERE subject = ANY (p_subjects);
END $$;

-- Counts an attempt to sign up as failed, for each subject, and returns true. Returns false and does not count if one of
-- the subjects has failed too often within the policy's time. A success forgets the subjects.
CREATE OR REPLACE FUNCTION card_count_attempt(p_subjects bytea[], p_now timestamptz, p_day date)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_max bigint := policy_value('register.attempts_max', p_day);
    v_since timestamptz := p_now - make_interval(secs => policy_value('register.attempts_seconds', p_day));
    v_subject bytea;
    v_failed timestamptz[];
BEGIN
    -- Every attempt takes its locks in the order of the subjects.
    FOR v_subject IN SELECT DISTINCT unnest(p_subjects) ORDER BY 1 LOOP
        INSERT INTO card_attempt (subject, failed, last_at) VALUES (v_subject, '{}', p_now) ON CONFLICT DO NOTHING;
        SELECT ARRAY(SELECT at FROM unnest(failed) AS at WHERE at > v_since) INTO v_failed
          FROM card_attempt WHERE subject = v_subject FOR UPDATE;
        IF cardinality(v_failed) >= v_max THEN
            RETURN false;
        END IF;
    END LOOP;
    UPDATE card_attempt
       SET failed = ARRAY(SELECT at FROM unnest(failed) AS at WHERE at > v_since) || p_now, last_at = p_now
     WHERE subject = ANY (p_subjects);
    RETURN true;
END $$;

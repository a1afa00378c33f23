-- Returns until when one of the subjects is suspended; NULL if none is. A subject is suspended while as many of its checks
-- have failed within the policy's time as the policy allows, and five at most, whatever the policy says (BIO-004).
CREATE OR REPLACE FUNCTION face_suspended_until(p_subjects bytea[], p_now timestamptz, p_day date)
RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT max((SELECT at FROM unnest(a.failed) AS at WHERE at > p_now - w.span
                     ORDER BY at DESC OFFSET w.most - 1 LIMIT 1) + w.span)
          FROM face_attempt a,
               (SELECT make_interval(secs => policy_value('face.attempts_seconds', p_day)) AS span,
                       least(5, policy_value('face.attempts_max', p_day)) AS most) AS w
         WHERE a.subject = ANY (p_subjects));
END $$;

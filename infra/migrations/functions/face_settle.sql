-- Settles a counted check. A check that has passed forgets the customer's failures, but not the checks that are still under
-- way. It gives back its own count of the device: a stranger's own face must not clear a device that failed for others. A
-- check without an answer of the engine gives back its counts. A failed check stays counted.
CREATE OR REPLACE FUNCTION face_settle(
    p_id uuid, p_customer bytea, p_device bytea, p_state text, p_digest bytea, p_engine text, p_sdk text, p_model text,
    p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_at timestamptz;
    v_id uuid;
BEGIN
    PERFORM FROM face_attempt WHERE subject IN (p_customer, p_device) ORDER BY subject FOR UPDATE;
    UPDATE face_check
       SET state = p_state, ended_at = p_now, template_digest = p_digest, engine = p_engine, sdk = p_sdk, model = p_model
     WHERE id = p_id AND state = 'tried'
    RETURNING tried_at, customer_id INTO v_at, v_id;
    IF NOT FOUND OR p_state = 'failed' THEN
        RETURN;
    END IF;
    UPDATE face_attempt
       SET failed = CASE
               WHEN p_state = 'passed' AND subject = p_customer THEN
                   ARRAY(SELECT c.tried_at FROM face_check c WHERE c.customer_id = v_id AND c.state = 'tried' ORDER BY 1)
               ELSE ARRAY(SELECT at FROM unnest(failed) WITH ORDINALITY AS f (at, n)
                           WHERE n IS DISTINCT FROM array_position(failed, v_at) ORDER BY n)
           END
     WHERE subject IN (p_customer, p_device);
END $$;

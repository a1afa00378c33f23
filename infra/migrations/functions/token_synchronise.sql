-- Settles a right pair of codes and follows the token's clock. A pair is used once: the minute of its first code grows. If
-- another request has used it first, it raises an error, so that the unit of work rolls back.
CREATE OR REPLACE FUNCTION token_synchronise(p_serial text, p_drift int, p_step bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE token
       SET in_flight = greatest(in_flight - 1, 0), wrong_responses = 0, drift = p_drift, synced_step = p_step
     WHERE serial = p_serial AND synced_step < p_step;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'TOKEN_SYNCED';
    END IF;
END $$;

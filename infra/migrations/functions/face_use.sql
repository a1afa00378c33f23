-- Uses up a check that has passed: it has confirmed its operation. If it is used already, it raises an error, so that the unit
-- of work rolls back.
CREATE OR REPLACE FUNCTION face_use(p_id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE face_check SET state = 'used' WHERE id = p_id AND state = 'passed';
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'FACE_USED';
    END IF;
END $$;

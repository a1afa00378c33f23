-- Makes a member inactive, without roles. Raises OBJECT_NOT_FOUND if the member has left already.
CREATE OR REPLACE FUNCTION staff_leave(p_id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE staff SET active = false, roles = '{}' WHERE id = p_id AND active;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OBJECT_NOT_FOUND';
    END IF;
END $$;

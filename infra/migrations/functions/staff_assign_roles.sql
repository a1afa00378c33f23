-- Replaces a member's roles. Raises OBJECT_NOT_FOUND if the member has other roles than p_before, or has left.
CREATE OR REPLACE FUNCTION staff_assign_roles(p_name text, p_before text[], p_roles text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE staff SET roles = p_roles WHERE login_name = p_name AND roles = p_before AND active;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OBJECT_NOT_FOUND';
    END IF;
END $$;

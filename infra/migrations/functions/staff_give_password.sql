-- Stores a password that the bank gives to a member: it is good once, before p_until. Raises OBJECT_NOT_FOUND if the member
-- has left.
CREATE OR REPLACE FUNCTION staff_give_password(p_id uuid, p_at timestamptz, p_password text, p_until timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE staff SET given_until = p_until WHERE id = p_id AND active;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'OBJECT_NOT_FOUND';
    END IF;
    INSERT INTO staff_password (staff_id, set_at, password) VALUES (p_id, p_at, p_password);
END $$;

-- Returns the stored text of a member's present password.
CREATE OR REPLACE FUNCTION staff_password_of(p_id uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT password FROM staff_password WHERE staff_id = p_id ORDER BY set_at DESC LIMIT 1
$$;

-- Returns the blind index of the number behind the name of a login: of the holder's number if the name is an alias, and
-- otherwise the name itself. It costs the same work for unknown names.
CREATE OR REPLACE FUNCTION login_number(p_name bytea) RETURNS bytea STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce((SELECT phone_bidx FROM customer WHERE alias_bidx = p_name), p_name);
END $$;

-- Returns the policy's figure that is in force on a day. It raises an error if the figure is missing: a missing bound
-- must not become no bound.
CREATE OR REPLACE FUNCTION policy_value(p_name text, p_day date) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
DECLARE
    v_value bigint;
BEGIN
    SELECT value INTO v_value FROM policy
     WHERE name = p_name AND valid_from <= p_day ORDER BY valid_from DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'policy % has no figure for %', p_name, p_day;
    END IF;
    RETURN v_value;
END $$;

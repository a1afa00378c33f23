-- Puts a proposed figure in force, from its day but not earlier than today. Raises PARAMETER_OWN_APPROVAL for the proposer's own
-- approval, PARAMETER_DECIDED if it does not wait any more, and PARAMETER_MOVED if the figure in force is no longer p_old, which
-- the approver has seen. It runs with the rights of its owner: no role writes the policy itself.
CREATE OR REPLACE FUNCTION parameter_approve(p_id uuid, p_by uuid, p_old bigint, p_now timestamptz, p_day date)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    c public.parameter_change;
    v_from date;
BEGIN
    -- One approval at a time: of two changes of a figure, the second must see the first.
    PERFORM pg_advisory_xact_lock(7124084);
    SELECT * INTO c FROM public.parameter_change WHERE id = p_id FOR UPDATE;
    IF NOT FOUND OR c.approved_by IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'PARAMETER_DECIDED';
    END IF;
    IF c.proposed_by = p_by THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'PARAMETER_OWN_APPROVAL';
    END IF;
    v_from := greatest(c.valid_from, p_day);
    IF public.policy_value(c.name, v_from) <> p_old THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'PARAMETER_MOVED';
    END IF;
    UPDATE public.parameter_change SET approved_by = p_by, approved_at = p_now, valid_from = v_from, old_value = p_old WHERE id = p_id;
    INSERT INTO public.policy (name, valid_from, value, proposed_by, approved_by)
    SELECT c.name, v_from, c.value, p.login_name, a.login_name FROM public.staff p, public.staff a WHERE p.id = c.proposed_by AND a.id = p_by
    ON CONFLICT (name, valid_from) DO UPDATE
       SET value = excluded.value, proposed_by = excluded.proposed_by, approved_by = excluded.approved_by;
END $$;

-- Adds an amount to the customer's use of a kind of limit on a day, as limit_use, and also refuses an amount above the
-- customer's own limits in force now: of one transfer, or alone above that of the day, as LIMIT_LOWERED.
CREATE OR REPLACE FUNCTION limit_use_own(p_customer uuid, p_kind text, p_day date, p_amount bigint, p_cap bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_transfer bigint;
    v_day bigint;
BEGIN
    SELECT per_transfer, per_day INTO v_transfer, v_day FROM own_limit WHERE customer_id = p_customer AND kind = p_kind;
    IF p_amount > least(v_transfer, v_day) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LIMIT_LOWERED';
    END IF;
    PERFORM limit_use(p_customer, p_kind, p_day, p_amount, least(p_cap, v_day)); -- least ignores NULL
END $$;

-- Sets the customer's own limits of a kind. Without the proofs of a raise it raises no figure, so that a change that was prepared
-- before another one takes nothing back. With them it raises only the figures that held at the preparation (NULL: none were set).
CREATE OR REPLACE FUNCTION limit_set_own(
    p_customer uuid, p_kind text, p_transfer bigint, p_day bigint, p_raises boolean, p_before_transfer bigint, p_before_day bigint,
    p_now timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO own_limit AS o (customer_id, kind, per_transfer, per_day, changed_at)
    VALUES (p_customer, p_kind, p_transfer, p_day, p_now)
    ON CONFLICT (customer_id, kind) DO UPDATE SET per_transfer = p_transfer, per_day = p_day, changed_at = p_now
     WHERE CASE WHEN p_raises THEN o.per_transfer = p_before_transfer AND o.per_day = p_before_day
                ELSE o.per_transfer >= p_transfer AND o.per_day >= p_day END;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'INTENT_EXPIRED';
    END IF;
END $$;

-- Adds an amount to the customer's use of a kind of limit on a day. It refuses an amount that would exceed the cap.
CREATE OR REPLACE FUNCTION limit_use(p_customer uuid, p_kind text, p_day date, p_amount bigint, p_cap bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_amount <= 0 OR p_amount > p_cap THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LIMIT_EXCEEDED';
    END IF;
    -- Only the day's first use finds no row, so the function tries a plain update first.
    UPDATE limit_use SET used = used + p_amount
     WHERE customer_id = p_customer AND kind = p_kind AND business_day = p_day AND used <= p_cap - p_amount;
    IF FOUND THEN
        RETURN;
    END IF;
    INSERT INTO limit_use AS l (customer_id, kind, business_day, used) VALUES (p_customer, p_kind, p_day, p_amount)
    ON CONFLICT (customer_id, kind, business_day) DO UPDATE SET used = l.used + p_amount
     WHERE l.used <= p_cap - p_amount;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LIMIT_EXCEEDED';
    END IF;
END $$;

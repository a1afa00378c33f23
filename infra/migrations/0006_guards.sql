-- why: the database itself refuses an unknown risk grade, and a negative use of a limit.
-- +goose Up
ALTER TABLE customer ADD CONSTRAINT customer_risk_grade CHECK (risk_grade BETWEEN 0 AND 2);
ALTER TABLE intent ADD CONSTRAINT intent_grade CHECK (grade BETWEEN 0 AND 2);
-- The local broker's pruning and the developer page find deliveries by their event.
CREATE INDEX delivery_by_event ON delivery (event_id);
-- +goose StatementBegin
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
-- +goose StatementEnd

-- why: what no code should ever write, no code can: an unknown risk grade, or a use of a limit that gives some of it back.
-- +goose Up
ALTER TABLE customer ADD CONSTRAINT customer_risk_grade CHECK (risk_grade BETWEEN 0 AND 2);
ALTER TABLE intent ADD CONSTRAINT intent_grade CHECK (grade BETWEEN 0 AND 2);
-- The local broker's pruning and page look deliveries up by their event.
CREATE INDEX delivery_by_event ON delivery (event_id);
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION limit_use(p_customer uuid, p_kind text, p_day date, p_amount bigint, p_cap bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_amount <= 0 OR p_amount > p_cap THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LIMIT_EXCEEDED';
    END IF;
    -- All of a day's uses but the first find their row: a plain update is the cheaper try.
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

-- why: consuming an intent that is not open must raise an error, so that the unit of work rolls back.
-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION intent_consume(p_intent uuid, p_customer uuid, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE intent SET state = 'consumed'
     WHERE id = p_intent AND customer_id = p_customer AND state = 'open' AND expires_at > p_now;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'INTENT_EXPIRED';
    END IF;
END $$;
-- +goose StatementEnd

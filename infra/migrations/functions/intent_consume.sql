-- Uses up an open intent. If the intent is not open, it raises an error, so that the unit of work rolls back.
CREATE OR REPLACE FUNCTION intent_consume(p_intent uuid, p_customer uuid, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE intent SET state = 'consumed'
     WHERE id = p_intent AND customer_id = p_customer AND state = 'open' AND expires_at > p_now;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE =
            CASE WHEN EXISTS (SELECT FROM intent WHERE id = p_intent AND customer_id = p_customer AND state = 'consumed')
                 THEN 'INTENT_USED' ELSE 'INTENT_EXPIRED' END;
    END IF;
END $$;

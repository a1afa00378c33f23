-- Counts a guess at the login password that shall confirm an intent, in the same count as the number's log-ins, and returns
-- the stored password. The verdicts are those of login_count_number, and
--   none  not counted: the customer has no password, or no such open intent on this device
CREATE OR REPLACE FUNCTION login_count_proof(
    p_customer uuid, p_now timestamptz, p_day date, p_intent uuid, p_device text, p_operation text,
    OUT o_verdict text, OUT o_stored text, OUT o_left int, OUT o_until timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    v_phone bytea;
    v_stored text;
BEGIN
    SELECT c.phone_bidx, k.login_password INTO v_phone, v_stored
      FROM customer c JOIN credential k ON k.customer_id = c.id
     WHERE c.id = p_customer
       AND EXISTS (SELECT 1 FROM intent WHERE id = p_intent AND customer_id = p_customer AND device_id = p_device
                      AND operation = p_operation AND state = 'open' AND expires_at > p_now);
    IF NOT FOUND THEN
        o_verdict := 'none';
        RETURN;
    END IF;
    SELECT n.o_verdict, n.o_left, n.o_until INTO o_verdict, o_left, o_until FROM login_count_number(v_phone, p_now, p_day) AS n;
    IF o_verdict <> 'locked' THEN
        o_stored := v_stored;
    END IF;
END $$;

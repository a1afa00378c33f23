-- Adds an amount to the use of a day by Bluetooth Key, of the customer and of the account that pays. It refuses an amount above what is in
-- force for either: of one transfer, or of the day. p_most is the bank's own cap of the customer's day.
CREATE OR REPLACE FUNCTION bluetooth_key_count_use(
    p_customer uuid, p_account uuid, p_day date, p_now timestamptz, p_amount bigint, p_most bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_customer_transfer bigint;
    v_customer_day bigint;
    v_account_transfer bigint;
    v_account_day bigint;
BEGIN
    SELECT o_customer_transfer, o_customer_day, o_account_transfer, o_account_day
      INTO v_customer_transfer, v_customer_day, v_account_transfer, v_account_day
      FROM bluetooth_key_limits(p_customer, p_account, p_now, p_day);
    IF p_amount > least(v_customer_transfer, v_account_transfer, v_account_day) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LIMIT_LOWERED';
    END IF;
    PERFORM limit_use(p_customer, 'transfer.bluetooth_key', p_day, p_amount, least(p_most, v_customer_day));
    INSERT INTO bluetooth_key_use AS u (account_id, business_day, used) VALUES (p_account, p_day, p_amount)
    ON CONFLICT (account_id, business_day) DO UPDATE SET used = u.used + p_amount WHERE u.used <= v_account_day - p_amount;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LIMIT_EXCEEDED';
    END IF;
END $$;

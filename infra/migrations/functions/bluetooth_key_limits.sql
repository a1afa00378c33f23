-- Returns the limits by Bluetooth Key, in fen, that are in force for a customer and for the account that pays: of one transfer, and of
-- a day. What is not set is the policy's figure. Without an account (NULL), the customer's limits stand for the account's.
CREATE OR REPLACE FUNCTION bluetooth_key_limits(
    p_customer uuid, p_account uuid, p_now timestamptz, p_day date,
    OUT o_customer_transfer bigint, OUT o_customer_day bigint, OUT o_account_transfer bigint, OUT o_account_day bigint
) STABLE LANGUAGE plpgsql AS $$
BEGIN
    SELECT per_transfer, per_day INTO o_customer_transfer, o_customer_day FROM bluetooth_key_limit
     WHERE customer_id = p_customer AND account_id IS NULL AND valid_from <= p_now ORDER BY valid_from DESC LIMIT 1;
    o_customer_transfer := coalesce(o_customer_transfer, policy_value('bluetooth_key.unset_transfer', p_day));
    o_customer_day := coalesce(o_customer_day, policy_value('bluetooth_key.unset_day', p_day));
    IF p_account IS NULL THEN
        o_account_transfer := o_customer_transfer;
        o_account_day := o_customer_day;
        RETURN;
    END IF;
    SELECT per_transfer, per_day INTO o_account_transfer, o_account_day FROM bluetooth_key_limit
     WHERE customer_id = p_customer AND account_id = p_account AND valid_from <= p_now ORDER BY valid_from DESC LIMIT 1;
    o_account_transfer := coalesce(o_account_transfer, policy_value('bluetooth_key.unset_transfer', p_day));
    o_account_day := coalesce(o_account_day, policy_value('bluetooth_key.unset_day', p_day));
END $$;

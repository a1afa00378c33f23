-- Resets the count of failures, after a right trade password.
CREATE OR REPLACE FUNCTION trade_password_reset_attempts(p_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credential SET trade_failures = 0, trade_locked_until = NULL WHERE customer_id = p_customer;
END $$;

-- Settles a counted guess that was right: the failures in a row start anew. The day's failures stay counted. A lock
-- stays: no guess in flight can be right while its failures lock the password.
CREATE OR REPLACE FUNCTION trade_password_reset_attempts(p_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE credential SET trade_failures = 0, trade_in_flight = greatest(trade_in_flight - 1, 0)
     WHERE customer_id = p_customer;
END $$;

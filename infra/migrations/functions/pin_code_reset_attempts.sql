-- Settles a counted guess that was right: the failures in a row start anew. The day's failures stay counted. A lock stays: no guess in
-- flight can be right while its failures lock the code.
CREATE OR REPLACE FUNCTION pin_code_reset_attempts(p_customer uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE pin_code SET failures = 0, in_flight = greatest(in_flight - 1, 0) WHERE customer_id = p_customer;
END $$;

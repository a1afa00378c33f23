-- Counts a guess at a customer's code as in flight and returns the challenge. The verdict is
--   counted  the guess may be compared; after the comparison, the caller settles the count
--   wait     not counted: if all guesses in flight are wrong, they use the tries up
--   refused  not counted: the code is void, used up or expired, of another device or customer, or the customer has changed the
--            number since it was issued: an earlier number's code confirms nothing
-- o_left is the number of tries that are left if this guess is wrong.
-- The count's commit does not wait for the disk. What settles the count is written after it, and its commit does wait,
-- before anybody learns whether the guess was right. So a crash loses only counts of guesses without an answer.
-- A guess that stays in flight for 30 seconds counts as wrong: no call takes so long.
CREATE OR REPLACE FUNCTION otp_count_in_flight(
    p_subject text, p_device text, p_customer uuid, p_now timestamptz,
    OUT o_verdict text, OUT o_nonce bytea, OUT o_binding bytea, OUT o_issued_at timestamptz, OUT o_left int
) LANGUAGE plpgsql AS $$
DECLARE
    v_number bytea := (SELECT phone_bidx FROM customer WHERE id = p_customer);
BEGIN
    UPDATE otp_challenge SET in_flight = in_flight + 1, in_flight_at = p_now
     WHERE subject = p_subject AND device_id = p_device AND customer_id = p_customer AND phone_bidx = v_number
       AND tries + in_flight < max_tries AND used_at IS NULL AND expires_at > p_now
    RETURNING 'counted', nonce, binding, issued_at, max_tries - tries - 1
         INTO o_verdict, o_nonce, o_binding, o_issued_at, o_left;
    IF FOUND THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    ELSE
        SELECT CASE WHEN tries < max_tries AND in_flight_at >= p_now - interval '30 seconds' THEN 'wait' END
          INTO o_verdict FROM otp_challenge
         WHERE subject = p_subject AND device_id = p_device AND customer_id = p_customer AND phone_bidx = v_number
           AND used_at IS NULL AND expires_at > p_now;
        o_verdict := coalesce(o_verdict, 'refused');
    END IF;
END $$;

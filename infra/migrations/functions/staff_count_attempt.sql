-- Counts an attempt to log in as failed, by the login name and by the address, before the password is compared. Returns 'open',
-- or 'last' if a failure of this attempt locks the name. Returns 'locked' and counts nothing while either is locked. It costs
-- the same work for unknown names. The first failure begins a time as long as a lock, after which
-- the count starts anew.
CREATE OR REPLACE FUNCTION staff_count_attempt(p_name text, p_address text, p_now timestamptz, p_day date)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_lock interval := make_interval(secs => policy_value('staff.lock_seconds', p_day));
    v_name text := 'name ' || p_name;
    v_address text := 'address ' || p_address;
    v_after bigint;
    a staff_attempt;
    v_verdict text := 'open';
    v_subject text;
    v_anew boolean;
BEGIN
    FOREACH v_subject IN ARRAY ARRAY[v_address, v_name] LOOP -- all calls take the locks in this order
        INSERT INTO staff_attempt (subject, failures, failed_at, began_at) VALUES (v_subject, 0, p_now, p_now)
        ON CONFLICT DO NOTHING;
        SELECT * INTO a FROM staff_attempt WHERE subject = v_subject FOR UPDATE;
        IF a.locked_until > p_now THEN
            v_verdict := 'locked';
        END IF;
    END LOOP;
    IF v_verdict = 'locked' THEN
        RETURN v_verdict;
    END IF;
    FOREACH v_subject IN ARRAY ARRAY[v_address, v_name] LOOP
        v_after := policy_value(CASE v_subject WHEN v_name THEN 'staff.lock_after' ELSE 'staff.address_lock_after' END, p_day);
        SELECT failures = 0 OR locked_until IS NOT NULL OR began_at <= p_now - v_lock INTO v_anew
          FROM staff_attempt WHERE subject = v_subject;
        UPDATE staff_attempt
           SET failures = CASE WHEN v_anew THEN 1 ELSE failures + 1 END, began_at = CASE WHEN v_anew THEN p_now ELSE began_at END,
               locked_until = NULL, failed_at = p_now
         WHERE subject = v_subject RETURNING * INTO a;
        IF a.failures >= v_after THEN
            UPDATE staff_attempt SET locked_until = p_now + v_lock WHERE subject = v_subject;
            IF v_subject = v_name THEN
                v_verdict := 'last';
            END IF;
        END IF;
    END LOOP;
    RETURN v_verdict;
END $$;

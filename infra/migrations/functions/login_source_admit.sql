-- Returns for how many seconds an attempt to log in from an address must wait; 0: it may go on. A source that has failed too
-- often in an hour is slowed: one attempt goes on in login.address_slow_seconds, and is noted here, so that of several at once
-- only one goes on. An attempt that must wait for one source uses up no turn of the other. A blocked source waits for the end of
-- the block. A network has login.network_times the bounds of an address.
CREATE OR REPLACE FUNCTION login_source_admit(p_address bytea, p_network bytea, p_now timestamptz, p_day date)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    s login_source;
    v_wait int := 0;
    v_slow int := policy_value('login.address_slow_seconds', p_day);
    v_after bigint := policy_value('login.address_slow_after', p_day);
    v_begun timestamptz := p_now - make_interval(secs => policy_value('login.source_seconds', p_day));
    v_times bigint := policy_value('login.network_times', p_day);
    v_most bigint;
    v_slowed bytea[] := '{}';
BEGIN
    FOR s IN SELECT * FROM login_source WHERE source IN (p_address, p_network) ORDER BY source LOOP -- in one order: no deadlock
        v_most := v_after * CASE s.source WHEN p_address THEN 1 ELSE v_times END;
        IF s.blocked_until > p_now THEN
            v_wait := greatest(v_wait, ceil(extract(epoch FROM s.blocked_until - p_now))::int);
        ELSIF s.began_at > v_begun AND s.failures >= v_most THEN
            SELECT * INTO s FROM login_source WHERE source = s.source FOR NO KEY UPDATE;
            v_slowed := v_slowed || s.source;
            IF s.last_at > p_now - make_interval(secs => v_slow) THEN
                v_wait := greatest(v_wait, v_slow);
            END IF;
        END IF;
    END LOOP;
    IF v_wait = 0 AND cardinality(v_slowed) > 0 THEN
        UPDATE login_source SET last_at = p_now WHERE source = ANY (v_slowed);
    END IF;
    RETURN v_wait;
END $$;

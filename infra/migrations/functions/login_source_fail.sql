-- Counts a failed attempt to log in against an address and its network. The first failure begins an hour, after which the count
-- starts anew. A source that has failed too often is blocked, and after the block its count starts anew.
CREATE OR REPLACE FUNCTION login_source_fail(p_address bytea, p_network bytea, p_now timestamptz, p_day date)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_source bytea;
    v_failures int;
    v_most bigint;
    v_begun timestamptz := p_now - make_interval(secs => policy_value('login.source_seconds', p_day));
BEGIN
    FOR v_source IN SELECT DISTINCT s FROM unnest(ARRAY[p_address, p_network]) AS s ORDER BY s LOOP -- in one order: no deadlock
        INSERT INTO login_source AS l (source, failures, began_at, last_at) VALUES (v_source, 1, p_now, p_now)
        ON CONFLICT (source) DO UPDATE SET last_at = p_now, blocked_until = NULL,
            failures = CASE WHEN l.began_at > v_begun AND coalesce(l.blocked_until > p_now, true) THEN l.failures + 1 ELSE 1 END,
            began_at = CASE WHEN l.began_at > v_begun AND coalesce(l.blocked_until > p_now, true) THEN l.began_at ELSE p_now END
        RETURNING failures INTO v_failures;
        v_most := policy_value('login.address_block_after', p_day)
            * CASE v_source WHEN p_address THEN 1 ELSE policy_value('login.network_times', p_day) END;
        IF v_failures >= v_most THEN
            UPDATE login_source SET blocked_until = p_now + make_interval(secs => policy_value('login.address_block_seconds', p_day))
             WHERE source = v_source;
        END IF;
    END LOOP;
END $$;

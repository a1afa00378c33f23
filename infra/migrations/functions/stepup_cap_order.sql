-- Refuses caps of the phone shield above those of the soft UKey of the counter, at any time from that of the new row on.
CREATE OR REPLACE FUNCTION stepup_cap_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('stepup_cap'));
    IF EXISTS (
        SELECT FROM stepup_cap AS changed
         CROSS JOIN LATERAL (SELECT per_transfer, per_day FROM stepup_cap
                              WHERE method = 'phone_shield' AND valid_from <= changed.valid_from ORDER BY valid_from DESC LIMIT 1) AS shield
         CROSS JOIN LATERAL (SELECT per_transfer, per_day FROM stepup_cap
                              WHERE method = 'soft_ukey_counter' AND valid_from <= changed.valid_from ORDER BY valid_from DESC LIMIT 1) AS stronger
         WHERE changed.method IN ('phone_shield', 'soft_ukey_counter') AND changed.valid_from >= NEW.valid_from
           AND (shield.per_transfer > stronger.per_transfer OR shield.per_day > stronger.per_day)) THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'CAP_ABOVE_STRONGER';
    END IF;
    RETURN NULL;
END $$;

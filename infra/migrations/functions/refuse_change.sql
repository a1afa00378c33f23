-- The trigger refuses the operation: every change of an append-only table, and TRUNCATE of each table whose rows stay. A
-- trigger's argument may name a sealed column. A change of a text in this column alone passes, so that the text can go to
-- another key.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_sealed text := TG_ARGV[0];
    v_old jsonb;
    v_new jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND v_sealed IS NOT NULL THEN
        v_old := to_jsonb(OLD);
        v_new := to_jsonb(NEW);
        IF v_old ->> v_sealed <> v_new ->> v_sealed AND v_old ->> v_sealed <> '\x' AND v_new ->> v_sealed <> '\x'
           AND v_old - v_sealed = v_new - v_sealed THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% refuses %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'TB000';
END $$;

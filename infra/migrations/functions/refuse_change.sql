-- The trigger refuses the operation: every change of an append-only table, and TRUNCATE of each table whose rows stay.
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'TB000';
END $$;

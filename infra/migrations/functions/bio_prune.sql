-- Deletes at most p_most results that were made before p_before, and returns a row for each. It runs with the rights of its
-- owner: the worker that deletes old rows of all tables can't read the biometric store (BIO-008).
CREATE OR REPLACE FUNCTION bio_prune(p_most bigint, p_before timestamptz)
RETURNS SETOF boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM public.bio_result
     WHERE id IN (SELECT id FROM public.bio_result WHERE made_at < p_before LIMIT p_most)
    RETURNING true
$$;

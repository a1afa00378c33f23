-- Tells if the person has a reference photo that was taken after p_oldest. It runs with the rights of its owner, so that a
-- function that reads customers can ask it and can't read the biometric store (BIO-008). So each name has its schema.
CREATE OR REPLACE FUNCTION bio_referenced(p_person bytea, p_oldest timestamptz)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.bio_reference WHERE person = p_person AND taken_at > p_oldest)
$$;

-- Returns the handle of the customer's reference photo, if it was taken after p_oldest.
CREATE OR REPLACE FUNCTION face_photo(p_customer uuid, p_oldest timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT handle FROM face_reference WHERE customer_id = p_customer AND taken_at > p_oldest
$$;

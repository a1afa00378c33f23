-- Returns whether the customer is personal or corporate; NULL without such a customer. It runs with the rights of its owner, so that a
-- function's role reads nothing else of the customer by it.
CREATE OR REPLACE FUNCTION customer_kind(p_customer uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT kind FROM public.customer WHERE id = p_customer
$$;

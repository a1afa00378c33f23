-- Reports whether the customer may pay to the account: by the contract for fund transactions, or because it is an own account,
-- or one of a payee who was bound at the counter with the customer's present number as the transaction phone.
CREATE OR REPLACE FUNCTION transfer_open(p_customer uuid, p_credit uuid) RETURNS boolean STABLE LANGUAGE sql AS $$
SELECT EXISTS (SELECT FROM fund_contract WHERE customer_id = p_customer)
    OR EXISTS (SELECT FROM account WHERE id = p_credit AND customer_id = p_customer)
    OR EXISTS (SELECT FROM counter_payee b JOIN customer c ON c.id = b.customer_id
                WHERE b.customer_id = p_customer AND b.account_id = p_credit AND b.phone_bidx = c.phone_bidx)
$$;

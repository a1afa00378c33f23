-- Finds the posting that an entry is of, and whether the entry's amounts agree with the posting and with the entry before
-- it. The caller checks the posting's MAC. There is no row if the entry or its posting is missing.
CREATE OR REPLACE FUNCTION ledger_witness(p_account uuid, p_number bigint)
RETURNS TABLE (agrees boolean, id uuid, kind text, debit_id uuid, credit_id uuid, amount bigint, business_day date,
               posted_at timestamptz, mac bytea, mac_key text, balance bigint)
LANGUAGE sql STABLE AS $$
SELECT e.balance_after = e.amount + coalesce(b.balance_after, 0) AND (b.number IS NOT NULL OR e.number = 1)
       AND e.posted_at = p.posted_at
       AND (e.account_id = p.debit_id AND e.amount = -p.amount OR e.account_id = p.credit_id AND e.amount = p.amount),
       p.id, p.kind, p.debit_id, p.credit_id, p.amount, p.business_day, p.posted_at, p.mac, p.mac_key, e.balance_after
  FROM entry e
  JOIN posting p ON p.id = e.posting_id
  LEFT JOIN entry b ON b.account_id = e.account_id AND b.number = e.number - 1
 WHERE e.account_id = p_account AND e.number = p_number
$$;

-- Finds the posting of an account's last entry, and whether the balance is that of this entry. An account without entries
-- has no posting, and a balance of zero.
CREATE OR REPLACE FUNCTION ledger_witness_balance(p_account uuid, p_balance bigint, p_last bigint)
RETURNS TABLE (agrees boolean, id uuid, kind text, debit_id uuid, credit_id uuid, amount bigint, business_day date,
               posted_at timestamptz, mac bytea, mac_key text, balance bigint)
LANGUAGE sql STABLE AS $$
SELECT CASE WHEN p_last = 0 THEN p_balance = 0 ELSE coalesce(w.agrees AND w.balance = p_balance, false) END
       AND NOT EXISTS (SELECT FROM entry l WHERE l.account_id = p_account AND l.number > p_last),
       w.id, w.kind, w.debit_id, w.credit_id, w.amount, w.business_day, w.posted_at, w.mac, w.mac_key, w.balance
  FROM (SELECT) AS one LEFT JOIN ledger_witness(p_account, p_last) w ON true
$$;

-- Writes at most p_most waiting entries of internal accounts, numbers them, and adds them to the balances. It returns the
-- number of entries. PostgreSQL locks the accounts in `done` and returns their rows as the lock found them.
-- It runs with the rights of its owner, so that a worker's role writes entries and balances only by it. So each name has
-- its schema.
CREATE OR REPLACE FUNCTION ledger_fold_waiting(p_most bigint)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
WITH taken AS (DELETE FROM public.ledger_fold WHERE (account_id, posting_id) IN (
         SELECT account_id, posting_id FROM public.ledger_fold LIMIT p_most FOR UPDATE SKIP LOCKED)
         RETURNING account_id, posting_id, amount, counterparty, summary, posted_at),
     summed AS (SELECT account_id, sum(amount)::bigint AS amount, count(*) AS entries FROM taken GROUP BY account_id),
     done AS (UPDATE public.account a SET balance = a.balance + s.amount, last_entry = a.last_entry + s.entries
                FROM summed s WHERE a.id = s.account_id
           RETURNING a.id, a.balance - s.amount AS balance, a.last_entry - s.entries AS last_entry),
     written AS (INSERT INTO public.entry (account_id, number, posting_id, amount, balance_after, counterparty, summary,
                                posted_at, memo_ct)
          SELECT t.account_id, d.last_entry + row_number() OVER w, t.posting_id, t.amount,
                 d.balance + (sum(t.amount) OVER w)::bigint, t.counterparty, t.summary, t.posted_at, ''
            FROM taken t JOIN done d ON d.id = t.account_id
          WINDOW w AS (PARTITION BY t.account_id ORDER BY t.posted_at, t.posting_id))
SELECT count(*) FROM taken
$$;

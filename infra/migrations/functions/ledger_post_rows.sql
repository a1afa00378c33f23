-- Posts for many units of work at once. It locks all their accounts first, in the order of ids.
-- It runs with the rights of its owner, so that a function's role moves money only by it. So each name has its schema.
CREATE OR REPLACE FUNCTION ledger_post_rows(
    p_id uuid[], p_kind text[], p_debit uuid[], p_credit uuid[], p_amount bigint[], p_day date[], p_at timestamptz[],
    p_mac bytea[], p_mac_key text[],
    p_debit_party text[], p_debit_summary text[], p_credit_party text[], p_credit_summary text[],
    p_debit_memo bytea[], p_credit_memo bytea[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM FROM public.account WHERE id = ANY (p_debit || p_credit) ORDER BY id FOR NO KEY UPDATE;
    PERFORM public.ledger_post(id, kind, debit, credit, amount, day, at, mac, mac_key, dp, ds, cp, cs, dm, cm)
       FROM unnest(p_id, p_kind, p_debit, p_credit, p_amount, p_day, p_at, p_mac, p_mac_key,
                   p_debit_party, p_debit_summary, p_credit_party, p_credit_summary, p_debit_memo, p_credit_memo)
            AS p (id, kind, debit, credit, amount, day, at, mac, mac_key, dp, ds, cp, cs, dm, cm);
END $$;

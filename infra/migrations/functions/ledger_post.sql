-- Moves money between two customers' accounts: two balances, the posting and its two entries. Each entry gets the next
-- number of its account, under the lock of the account.
-- It runs with the rights of its owner, so that a function's role moves money only by it. So each name has its schema.
CREATE OR REPLACE FUNCTION ledger_post(
    p_id uuid, p_kind text, p_debit uuid, p_credit uuid, p_amount bigint, p_day date, p_at timestamptz,
    p_mac bytea, p_mac_key text,
    p_debit_party text, p_debit_summary text, p_credit_party text, p_credit_summary text,
    p_debit_memo bytea, p_credit_memo bytea
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    v_debit bigint;
    v_debit_number bigint;
    v_credit bigint;
    v_credit_number bigint;
BEGIN
    IF p_debit = p_credit THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'ACCOUNT_SAME';
    END IF;
    -- Locks accounts in the order of ids, so that two opposite transfers never deadlock.
    IF p_credit < p_debit THEN
        UPDATE public.account SET balance = balance + p_amount, last_entry = last_entry + 1
         WHERE id = p_credit AND state = 'open' RETURNING balance, last_entry INTO v_credit, v_credit_number;
    END IF;
    UPDATE public.account SET balance = balance - p_amount, last_entry = last_entry + 1
     WHERE id = p_debit AND state = 'open' AND balance - held >= p_amount
    RETURNING balance, last_entry INTO v_debit, v_debit_number;
    IF p_credit > p_debit THEN
        UPDATE public.account SET balance = balance + p_amount, last_entry = last_entry + 1
         WHERE id = p_credit AND state = 'open' RETURNING balance, last_entry INTO v_credit, v_credit_number;
    END IF;
    IF v_debit IS NULL OR v_credit IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = CASE
            WHEN v_credit IS NOT NULL AND EXISTS (SELECT 1 FROM public.account WHERE id = p_debit AND state = 'open')
            THEN 'FUNDS_INSUFFICIENT' ELSE 'ACCOUNT_CLOSED' END;
    END IF;
    INSERT INTO public.posting (id, kind, debit_id, credit_id, amount, business_day, posted_at, mac, mac_key)
    VALUES (p_id, p_kind, p_debit, p_credit, p_amount, p_day, p_at, p_mac, p_mac_key);
    INSERT INTO public.entry (account_id, number, posting_id, amount, balance_after, counterparty, summary, posted_at, memo_ct)
    VALUES (p_debit, v_debit_number, p_id, -p_amount, v_debit, p_debit_party, p_debit_summary, p_at,
            p_debit_memo),
           (p_credit, v_credit_number, p_id, p_amount, v_credit, p_credit_party, p_credit_summary, p_at,
            p_credit_memo);
END $$;

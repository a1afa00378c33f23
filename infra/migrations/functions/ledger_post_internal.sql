-- Moves money between a customer's account and an internal account. It neither locks nor changes the internal
-- account's row: its entry waits in ledger_fold, and gets its number when it is folded.
-- It runs with the rights of its owner, so that a function's role moves money only by it. So each name has its schema.
CREATE OR REPLACE FUNCTION ledger_post_internal(
    p_id uuid, p_kind text, p_debit uuid, p_credit uuid, p_amount bigint, p_day date, p_at timestamptz,
    p_mac bytea, p_mac_key text,
    p_debit_party text, p_debit_summary text, p_credit_party text, p_credit_summary text,
    p_debit_memo bytea, p_credit_memo bytea
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    own public.account;
    v_signed bigint;
    v_internal uuid;
BEGIN
    IF p_debit = p_credit THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'ACCOUNT_SAME';
    END IF;
    SELECT * INTO own FROM public.account WHERE id IN (p_debit, p_credit) AND kind <> 'internal' FOR NO KEY UPDATE;
    SELECT id INTO v_internal FROM public.account WHERE id IN (p_debit, p_credit) AND kind = 'internal' AND state = 'open';
    IF own.id IS NULL OR v_internal IS NULL OR own.state <> 'open' THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'ACCOUNT_CLOSED';
    END IF;
    v_signed := CASE WHEN own.id = p_credit THEN p_amount ELSE -p_amount END;
    IF own.balance - own.held + v_signed < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'FUNDS_INSUFFICIENT';
    END IF;
    UPDATE public.account SET balance = balance + v_signed, last_entry = last_entry + 1 WHERE id = own.id;
    INSERT INTO public.posting (id, kind, debit_id, credit_id, amount, business_day, posted_at, mac, mac_key)
    VALUES (p_id, p_kind, p_debit, p_credit, p_amount, p_day, p_at, p_mac, p_mac_key);
    INSERT INTO public.entry (account_id, number, posting_id, amount, balance_after, counterparty, summary, posted_at, memo_ct)
    VALUES (own.id, own.last_entry + 1, p_id, v_signed, own.balance + v_signed,
            CASE WHEN own.id = p_debit THEN p_debit_party ELSE p_credit_party END,
            CASE WHEN own.id = p_debit THEN p_debit_summary ELSE p_credit_summary END, p_at,
            CASE WHEN own.id = p_debit THEN p_debit_memo ELSE p_credit_memo END);
    INSERT INTO public.ledger_fold (account_id, posting_id, amount, counterparty, summary, posted_at)
    VALUES (v_internal, p_id, -v_signed,
            CASE WHEN own.id = p_debit THEN p_credit_party ELSE p_debit_party END,
            CASE WHEN own.id = p_debit THEN p_credit_summary ELSE p_debit_summary END, p_at);
END $$;

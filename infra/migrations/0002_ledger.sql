-- why: SQL functions move money, so that a movement is one statement of a unit of work and is refused as a whole.
-- +goose Up

-- Entries of internal accounts are appended and later folded into the balance. Otherwise every transfer of a kind
-- would wait for the same row.
CREATE TABLE ledger_fold (
    account_id uuid NOT NULL,
    posting_id uuid NOT NULL,
    amount     bigint NOT NULL,
    PRIMARY KEY (account_id, posting_id)
);

-- +goose StatementBegin
CREATE FUNCTION ledger_post(
    p_id uuid, p_kind text, p_debit uuid, p_credit uuid, p_amount bigint, p_day date, p_at timestamptz,
    p_mac bytea, p_mac_key text,
    p_debit_party text, p_debit_summary text, p_credit_party text, p_credit_summary text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_debit bigint;
    v_credit bigint;
BEGIN
    IF p_debit = p_credit THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'ACCOUNT_SAME';
    END IF;
    -- Locks accounts in the order of ids, so that two opposite transfers never deadlock.
    IF p_credit < p_debit THEN
        UPDATE account SET balance = balance + p_amount WHERE id = p_credit AND state = 'open' RETURNING balance INTO v_credit;
    END IF;
    UPDATE account SET balance = balance - p_amount
     WHERE id = p_debit AND state = 'open' AND balance - held >= p_amount RETURNING balance INTO v_debit;
    IF p_credit > p_debit THEN
        UPDATE account SET balance = balance + p_amount WHERE id = p_credit AND state = 'open' RETURNING balance INTO v_credit;
    END IF;
    IF v_debit IS NULL OR v_credit IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = CASE
            WHEN v_credit IS NOT NULL AND EXISTS (SELECT 1 FROM account WHERE id = p_debit AND state = 'open')
            THEN 'FUNDS_INSUFFICIENT' ELSE 'ACCOUNT_CLOSED' END;
    END IF;
    INSERT INTO posting (id, kind, debit_id, credit_id, amount, business_day, posted_at, mac, mac_key)
    VALUES (p_id, p_kind, p_debit, p_credit, p_amount, p_day, p_at, p_mac, p_mac_key);
    INSERT INTO entry (account_id, posting_id, amount, balance_after, counterparty, summary, posted_at)
    VALUES (p_debit, p_id, -p_amount, v_debit, p_debit_party, p_debit_summary, p_at),
           (p_credit, p_id, p_amount, v_credit, p_credit_party, p_credit_summary, p_at);
END $$;

-- One side is an internal account; the function neither locks nor changes its row.
CREATE FUNCTION ledger_post_internal(
    p_id uuid, p_kind text, p_debit uuid, p_credit uuid, p_amount bigint, p_day date, p_at timestamptz,
    p_mac bytea, p_mac_key text,
    p_debit_party text, p_debit_summary text, p_credit_party text, p_credit_summary text
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    own account;
    v_signed bigint;
    v_internal uuid;
BEGIN
    IF p_debit = p_credit THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'ACCOUNT_SAME';
    END IF;
    SELECT * INTO own FROM account WHERE id IN (p_debit, p_credit) AND kind <> 'internal' FOR NO KEY UPDATE;
    SELECT id INTO v_internal FROM account WHERE id IN (p_debit, p_credit) AND kind = 'internal' AND state = 'open';
    IF own.id IS NULL OR v_internal IS NULL OR own.state <> 'open' THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'ACCOUNT_CLOSED';
    END IF;
    v_signed := CASE WHEN own.id = p_credit THEN p_amount ELSE -p_amount END;
    IF own.balance - own.held + v_signed < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'FUNDS_INSUFFICIENT';
    END IF;
    UPDATE account SET balance = balance + v_signed WHERE id = own.id;
    INSERT INTO posting (id, kind, debit_id, credit_id, amount, business_day, posted_at, mac, mac_key)
    VALUES (p_id, p_kind, p_debit, p_credit, p_amount, p_day, p_at, p_mac, p_mac_key);
    INSERT INTO entry (account_id, posting_id, amount, balance_after, counterparty, summary, posted_at)
    VALUES (p_debit, p_id, -p_amount, CASE WHEN own.id = p_debit THEN own.balance - p_amount ELSE 0 END,
            p_debit_party, p_debit_summary, p_at),
           (p_credit, p_id, p_amount, CASE WHEN own.id = p_credit THEN own.balance + p_amount ELSE 0 END,
            p_credit_party, p_credit_summary, p_at);
    INSERT INTO ledger_fold (account_id, posting_id, amount) VALUES (v_internal, p_id, -v_signed);
END $$;

CREATE FUNCTION limit_use(p_customer uuid, p_kind text, p_day date, p_amount bigint, p_cap bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO limit_use AS l (customer_id, kind, business_day, used) VALUES (p_customer, p_kind, p_day, p_amount)
    ON CONFLICT (customer_id, kind, business_day) DO UPDATE SET used = l.used + p_amount
     WHERE l.used <= p_cap - p_amount;
    IF NOT FOUND OR p_amount > p_cap THEN
        RAISE EXCEPTION USING ERRCODE = 'TB001', MESSAGE = 'LIMIT_EXCEEDED';
    END IF;
END $$;
-- +goose StatementEnd

-- The bank's own figures where the standard gives none, each with a date: fen, seconds or counts.
INSERT INTO policy (name, valid_from, value) VALUES
    ('transfer.others.day_cap', '2026-01-01', 5000000),
    ('transfer.own.day_cap', '2026-01-01', 100000000);

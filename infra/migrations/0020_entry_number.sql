-- why: an account's entries get numbers under the account's lock, so that a statement adds up line by line.
-- +goose Up

-- The number of the account's last entry. Entries count from 1 without gaps.
ALTER TABLE account ADD COLUMN last_entry bigint NOT NULL DEFAULT 0;

-- An internal account's entry is written when it is folded, under the lock of its account. Until then, ledger_fold
-- holds the whole entry. Waiting rows of earlier releases have their entries already, so they are folded here.
UPDATE account a SET balance = a.balance + f.amount
  FROM (SELECT account_id, sum(amount)::bigint AS amount FROM ledger_fold GROUP BY account_id) f
 WHERE a.id = f.account_id;
DELETE FROM ledger_fold;
ALTER TABLE ledger_fold ADD COLUMN counterparty text NOT NULL, ADD COLUMN summary text NOT NULL,
    ADD COLUMN posted_at timestamptz NOT NULL;

-- Entries of earlier releases are numbered by time and id. Their running balance is computed anew in this order:
-- concurrent transfers had left it in another order. No amount changes.
ALTER TABLE entry ADD COLUMN number bigint;
ALTER TABLE entry DISABLE TRIGGER entry_append_only;
UPDATE entry e SET number = n.number, balance_after = n.balance
  FROM (SELECT account_id, posted_at, posting_id, row_number() OVER w AS number, (sum(amount) OVER w)::bigint AS balance
          FROM entry WINDOW w AS (PARTITION BY account_id ORDER BY posted_at, posting_id)) n
 WHERE (e.account_id, e.posted_at, e.posting_id) = (n.account_id, n.posted_at, n.posting_id);
ALTER TABLE entry ENABLE TRIGGER entry_append_only;
ALTER TABLE entry DROP CONSTRAINT entry_pkey, ADD PRIMARY KEY (account_id, number);
UPDATE account a SET last_entry = n.entries
  FROM (SELECT account_id, count(*) AS entries FROM entry GROUP BY account_id) n WHERE a.id = n.account_id;

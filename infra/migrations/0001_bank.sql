-- why: the tables of the first running bank, one block for each owner.
-- +goose Up

-- Customers and their log-ins (owners: shared/customer, shared/password, shared/device). Personal fields are SM4-GCM
-- ciphertext under the customer's data key, with AAD "table.column.row"; *_bidx are HMAC-SM3 blind indexes for
-- look-ups.
CREATE TABLE customer (
    id           uuid PRIMARY KEY,
    data_key     bytea NOT NULL,               -- wrapped by the storage KEK (shared/keys)
    name_ct      bytea NOT NULL,
    phone_ct     bytea NOT NULL,
    idno_ct      bytea NOT NULL,
    phone_bidx   bytea NOT NULL CONSTRAINT customer_phone_unique UNIQUE,
    idno_bidx    bytea NOT NULL CONSTRAINT customer_idno_unique UNIQUE,
    risk_grade   smallint NOT NULL DEFAULT 0,  -- 0 normal, 1 raised, 2 high
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- A row exists once the customer has signed up for mobile banking.
CREATE TABLE credential (
    customer_id        uuid PRIMARY KEY REFERENCES customer,
    login_password     text NOT NULL,          -- PBKDF2-HMAC-SM3, self-describing
    trade_password     text NOT NULL,
    trade_failures     int NOT NULL DEFAULT 0,
    trade_locked_until timestamptz,
    last_login_at      timestamptz,
    last_login_device  text,
    created_at         timestamptz NOT NULL DEFAULT now()
);

-- Failures are counted by phone number, also for unknown numbers, so that neither answers nor timing show whether a
-- number is known.
CREATE TABLE login_attempt (
    phone_bidx   bytea PRIMARY KEY,
    failures     int NOT NULL DEFAULT 0,       -- failures in a row since the last success or lock
    day          date NOT NULL,
    day_failures int NOT NULL DEFAULT 0,
    locked_until timestamptz,
    frozen       boolean NOT NULL DEFAULT false
);

CREATE TABLE device (
    customer_id uuid NOT NULL REFERENCES customer,
    device_id   text NOT NULL,
    public_key  bytea NOT NULL,                -- SM2, PKIX DER
    bound_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer_id, device_id)
);

-- A subject has one live code; a new code voids the earlier code (owner: shared/otp). The code is not stored:
-- shared/otp computes it from the OTP key, the nonce and the binding.
CREATE TABLE otp_challenge (
    subject    text PRIMARY KEY,               -- "<purpose>:<hex of phone_bidx>" or "intent:<id>"
    purpose    text NOT NULL,
    phone_bidx bytea NOT NULL,
    customer_id uuid,                          -- NULL: no customer gets the code
    nonce      bytea NOT NULL,
    binding    bytea NOT NULL,                 -- SM3 digest of the text that the code confirms
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    tries      int NOT NULL DEFAULT 0,
    used_at    timestamptz
);
CREATE TABLE otp_quota (
    phone_bidx bytea NOT NULL,
    day        date NOT NULL,
    sent       int NOT NULL,
    last_at    jsonb NOT NULL,                 -- purpose to epoch seconds: 60 s apart for each purpose
    PRIMARY KEY (phone_bidx, day)
);

-- Accounts and double entry (owner: shared/ledger). Amounts in fen.
CREATE TABLE account (
    id          uuid PRIMARY KEY,
    customer_id uuid REFERENCES customer,      -- NULL: internal account
    kind        text NOT NULL CONSTRAINT account_kind CHECK (kind IN ('debit', 'class2', 'class3', 'internal')),
    state       text NOT NULL DEFAULT 'open' CONSTRAINT account_state CHECK (state IN ('open', 'lost', 'frozen', 'closed')),
    no_ct       bytea NOT NULL,
    no_bidx     bytea NOT NULL CONSTRAINT account_no_unique UNIQUE,
    no_masked   text NOT NULL,
    card_password text,                        -- checked at sign-up only
    balance     bigint NOT NULL DEFAULT 0,
    held        bigint NOT NULL DEFAULT 0,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_held_not_negative CHECK (held >= 0),
    CONSTRAINT account_available_not_negative CHECK (kind = 'internal' OR balance - held >= 0)
) WITH (fillfactor = 70);
CREATE INDEX account_by_customer ON account (customer_id) WHERE customer_id IS NOT NULL;

-- A posting is the voucher of one movement of money. It is never changed or deleted.
CREATE TABLE posting (
    id           uuid PRIMARY KEY,
    kind         text NOT NULL,                -- transfer, opening, ...
    debit_id     uuid NOT NULL,
    credit_id    uuid NOT NULL,
    amount       bigint NOT NULL CONSTRAINT posting_amount_positive CHECK (amount > 0),
    business_day date NOT NULL,
    posted_at    timestamptz NOT NULL,
    mac          bytea NOT NULL,               -- HMAC-SM3 over the posting's figures
    mac_key      text NOT NULL
);
CREATE TABLE entry (
    account_id    uuid NOT NULL,
    posting_id    uuid NOT NULL,
    amount        bigint NOT NULL,             -- signed: negative debits a customer's account
    balance_after bigint NOT NULL,
    counterparty  text NOT NULL,               -- masked name and account, as the statement shows
    summary       text NOT NULL,
    posted_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, posted_at, posting_id)
);

-- Limit use by customer, kind and business day (owner: shared/limit).
CREATE TABLE limit_use (
    customer_id  uuid NOT NULL,
    kind         text NOT NULL,
    business_day date NOT NULL,
    used         bigint NOT NULL,
    PRIMARY KEY (customer_id, kind, business_day)
) WITH (fillfactor = 70);
CREATE TABLE policy (
    name       text NOT NULL,
    valid_from date NOT NULL,
    value      bigint NOT NULL,                -- fen, seconds or a count, by name
    PRIMARY KEY (name, valid_from)
);

-- Stored answers to repeated requests (owner: shared/idem).
CREATE TABLE idempotency (
    caller     text NOT NULL,
    operation  text NOT NULL,
    key        text NOT NULL,
    body_hash  bytea NOT NULL,                 -- SM3
    reply      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT idempotency_key_unique PRIMARY KEY (caller, operation, key)
);

-- Operations that wait for the customer's confirmation (owner: shared/stepup).
CREATE TABLE intent (
    id           uuid PRIMARY KEY,
    customer_id  uuid NOT NULL,
    device_id    text NOT NULL,
    operation    text NOT NULL,                -- the function that may confirm it
    payload_ct   bytea NOT NULL,               -- sealed under the storage key
    text_ct      bytea NOT NULL,               -- the canonical Chinese text, sealed under the storage key
    digest       bytea NOT NULL,               -- SM3 of the text
    combinations text[] NOT NULL,              -- e.g. {sms_otp+device_key,...}
    state        text NOT NULL CONSTRAINT intent_state CHECK (state IN ('open', 'consumed', 'cancelled')),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX intent_by_customer ON intent (customer_id, created_at DESC);

-- Transfers (owner: functions/transfer).
CREATE TABLE transfer (
    id          uuid PRIMARY KEY,              -- also the posting's id
    customer_id uuid NOT NULL,
    intent_id   uuid NOT NULL CONSTRAINT transfer_intent_unique UNIQUE,
    debit_id    uuid NOT NULL,
    credit_id   uuid NOT NULL,
    amount      bigint NOT NULL,
    detail_ct   bytea NOT NULL,                -- payee, memo, proofs used; sealed under the storage key
    posted_at   timestamptz NOT NULL
);
CREATE INDEX transfer_by_customer ON transfer (customer_id, posted_at DESC, id DESC);

-- Events (owner: events/).
CREATE TABLE outbox (
    id           uuid PRIMARY KEY,             -- the CloudEvent id
    type         text NOT NULL,
    subject      text NOT NULL,
    customerhash text NOT NULL,
    data         jsonb NOT NULL,
    traceparent  text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL;
CREATE TABLE event_consumed (
    consumer    text NOT NULL,
    source      text NOT NULL,
    id          text NOT NULL,
    consumed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, source, id)
);
-- The local broker's deliveries. With another broker the table stays empty.
CREATE TABLE delivery (
    consumer   text NOT NULL,
    event_id   uuid NOT NULL,
    event      bytea NOT NULL,                 -- the CloudEvent, structured JSON
    state      text NOT NULL CONSTRAINT delivery_state CHECK (state IN ('due', 'done', 'dead')),
    attempts   int NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL,
    last_error text NOT NULL DEFAULT '',
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 'due';

-- Effects of event functions (owners: shared/inbox, functions/audit, functions/fraud).
CREATE TABLE message (
    id          uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    event_id    text NOT NULL,
    kind        text NOT NULL,
    title       text NOT NULL,
    body        text NOT NULL,                 -- masked
    created_at  timestamptz NOT NULL,
    read_at     timestamptz,
    CONSTRAINT message_event_unique UNIQUE (customer_id, event_id)
);
CREATE INDEX message_by_customer ON message (customer_id, created_at DESC, id DESC);
CREATE TABLE audit_record (
    seq        bigint PRIMARY KEY,
    event_id   text NOT NULL CONSTRAINT audit_event_unique UNIQUE,
    type       text NOT NULL,
    subject    text NOT NULL,
    occurred_at timestamptz NOT NULL,
    body       bytea NOT NULL,
    prev_hash  bytea NOT NULL,
    hash       bytea NOT NULL                  -- SM3(prev_hash | canonical body)
);
CREATE TABLE fraud_score (
    event_id    text PRIMARY KEY,
    customer_id uuid NOT NULL,
    score       int NOT NULL,
    reasons     text[] NOT NULL,
    created_at  timestamptz NOT NULL
);
CREATE INDEX fraud_score_by_customer ON fraud_score (customer_id, created_at DESC);

-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'TB000';
END $$;
-- +goose StatementEnd
CREATE TRIGGER posting_append_only BEFORE UPDATE OR DELETE ON posting FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_record FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON transfer FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- why: a customer's face, alive and like the reference photo, is a proof beside others; nothing of the face is stored.
-- +goose Up

-- The photo that faces are compared with. It rests in the face engine's store, under the handle; the bank's tables hold no
-- picture.
CREATE TABLE face_reference (
    customer_id uuid PRIMARY KEY REFERENCES customer (id),
    handle      uuid NOT NULL UNIQUE,          -- names the photo to the engine; made at random
    kind        text NOT NULL CONSTRAINT face_reference_kind CHECK (kind IN ('online_check', 'counter')),
    taken_at    timestamptz NOT NULL
);
CREATE TRIGGER face_reference_no_truncate BEFORE TRUNCATE ON face_reference FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One challenge and its outcome. A capture passes through the bank and is not stored.
CREATE TABLE face_check (
    id              uuid PRIMARY KEY,
    customer_id     uuid NOT NULL,
    device_id       text NOT NULL,
    channel         bytea NOT NULL,            -- digest of the secure channel's id
    intent_id       uuid NOT NULL,             -- the operation that the check is for
    binding         bytea NOT NULL,            -- digest of the operation's text
    nonce           bytea NOT NULL,
    actions         text[] NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    state           text NOT NULL DEFAULT 'open'
                    CONSTRAINT face_check_state CHECK (state IN ('open', 'tried', 'passed', 'failed', 'unanswered')),
    tried_at        timestamptz,               -- when the capture came
    ended_at        timestamptz,               -- when the engine's answer was judged
    template_digest bytea NOT NULL DEFAULT '', -- digest that the engine makes of the face's template
    engine          text NOT NULL DEFAULT '',  -- versions that made the result
    sdk             text NOT NULL DEFAULT '',
    model           text NOT NULL DEFAULT ''
);
CREATE INDEX face_check_created ON face_check (created_at);
CREATE INDEX face_check_under_way ON face_check (customer_id) WHERE state = 'tried';

-- Failed checks by customer and by device.
CREATE TABLE face_attempt (
    subject bytea PRIMARY KEY,                 -- digest of what counts
    failed  timestamptz[] NOT NULL,            -- within the policy's time; a check counts as failed until it has passed
    last_at timestamptz NOT NULL
);

INSERT INTO policy (name, valid_from, value) VALUES
    ('face.attempts_max', '2026-01-01', 5),
    ('face.attempts_seconds', '2026-01-01', 86400);

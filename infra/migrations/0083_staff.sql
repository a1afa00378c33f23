-- why: the bank's staff get identities, roles and passwords of their own (PWD-007, PWD-010, PWD-011, PWD-014, ADMIN-007).
-- +goose Up

-- Members of the staff (owner: shared/staff). A member who leaves stays as a record, and can't log in.
CREATE TABLE staff (
    id            uuid PRIMARY KEY,
    login_name    text NOT NULL CONSTRAINT staff_login_name_unique UNIQUE
                  CONSTRAINT staff_login_name CHECK (login_name ~ '^[a-z][a-z0-9.-]{2,31}$'),
    roles         text[] NOT NULL,
    pci           boolean NOT NULL DEFAULT false, -- works in an application under PCI: the last four passwords do not come again
    keypad        boolean NOT NULL DEFAULT false, -- the member's terminal has digits only
    usb_key       bytea NOT NULL DEFAULT '',      -- SM2 public key (PKIX DER) of the member's USB key; empty: none
    active        boolean NOT NULL DEFAULT true,
    given_until   timestamptz,                    -- the bank has given the password: good once, before; NULL: it has not
    last_login_at timestamptz,
    created_at    timestamptz NOT NULL,
    CONSTRAINT staff_roles CHECK (roles <@ ARRAY['administrator', 'parameters', 'risk', 'content']),
    -- Who manages members does no business (ADMIN-007).
    CONSTRAINT staff_roles_apart CHECK (NOT 'administrator' = ANY (roles) OR cardinality(roles) = 1)
);

-- The newest row is the member's password. The earlier rows are compared with a new one (owner: shared/staff).
CREATE TABLE staff_password (
    staff_id uuid NOT NULL REFERENCES staff (id),
    set_at   timestamptz NOT NULL,
    password text NOT NULL,                       -- as in credential, sealed for this member
    PRIMARY KEY (staff_id, set_at)
);

-- Failed log-ins by login name, also an unknown one, and by address (owner: shared/staff).
CREATE TABLE staff_attempt (
    subject      text PRIMARY KEY,                -- "name <login name>" or "address <address>"
    failures     int NOT NULL,                    -- since the last success or lock
    failed_at    timestamptz NOT NULL,
    locked_until timestamptz
);

CREATE TRIGGER staff_no_truncate BEFORE TRUNCATE ON staff FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER staff_password_no_truncate BEFORE TRUNCATE ON staff_password
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO policy (name, valid_from, value) VALUES
    ('staff.lock_after', '2026-01-01', 5),
    ('staff.address_lock_after', '2026-01-01', 30),
    ('staff.lock_seconds', '2026-01-01', 1800),
    ('staff.password.min_length', '2026-01-01', 7),
    ('staff.password.min_length_aux', '2026-01-01', 6),
    ('staff.password.cycle_days', '2026-01-01', 90),
    ('staff.password.history', '2026-01-01', 1),
    ('staff.password.pci_history', '2026-01-01', 4);

-- why: no two temporary passwords are equal (PWD-004), and a login password may have an end (login_password.expires_days).
-- +goose Up
-- A keyed digest of each password that the bank has given. The key is that of the blind indexes, which is never renewed.
CREATE TABLE given_password (
    digest   bytea PRIMARY KEY,
    given_at timestamptz NOT NULL
);
CREATE TRIGGER given_password_no_truncate BEFORE TRUNCATE ON given_password
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER given_password_no_change BEFORE UPDATE OR DELETE ON given_password
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE credential ADD COLUMN login_set_at timestamptz; -- NULL: at created_at

-- 0 days: a login password has no end. The app is told warn_days before the end.
INSERT INTO policy (name, valid_from, value) VALUES
    ('login_password.expires_days', '2026-01-01', 0),
    ('login_password.warn_days',    '2026-01-01', 14);

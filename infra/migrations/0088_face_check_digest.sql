-- why: the last withdrawal of a consent reads the digests that an earlier release has kept, and must not read all checks.
-- +goose Up

CREATE INDEX face_check_digest ON face_check (customer_id) WHERE template_digest <> '';

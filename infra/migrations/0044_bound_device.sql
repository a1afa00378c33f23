-- why: a transfer needs a bound device (DEVICE-004): a bank may open a cell of an unbound device again by a later row.
-- +goose Up
INSERT INTO stepup_rule (operation, scene, device, grade, up_to, combinations, valid_from, proposed_by, approved_by)
SELECT operation, scene, device, grade, up_to, '{}', '2026-01-02 00:00+08', 'author of 0044', 'reviewer of 0044'
  FROM stepup_rule WHERE operation = 'transfer-confirm' AND device = 'unbound' AND valid_from < '2026-01-02 00:00+08';

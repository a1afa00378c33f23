-- why: fund transactions need the customer's own application at the counter or by certificate (AUTH-021, XFER-013, RISK-005).
-- +goose Up
-- The notice of the risks of fund transactions. The one of the newest valid_from that has come is in force.
CREATE TABLE risk_notice (
    version     text PRIMARY KEY CONSTRAINT risk_notice_version CHECK (version ~ '^[0-9A-Za-z.-]{1,20}$'),
    text        text NOT NULL,
    valid_from  timestamptz NOT NULL,
    proposed_by text NOT NULL,
    approved_by text NOT NULL,
    CONSTRAINT risk_notice_two_persons CHECK (proposed_by <> approved_by)
);
CREATE TRIGGER risk_notice_append_only BEFORE UPDATE OR DELETE ON risk_notice FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER risk_notice_no_truncate BEFORE TRUNCATE ON risk_notice FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The customer's contract for fund transactions. Without it, money moves between own accounts and to counter_payee only.
CREATE TABLE fund_contract (
    customer_id    uuid CONSTRAINT fund_contract_once PRIMARY KEY REFERENCES customer (id),
    way            text NOT NULL,
    opened_at      timestamptz NOT NULL,
    notice_version text NOT NULL,                           -- of risk_notice: what the customer has confirmed; earlier: ''
    evidence_id    uuid REFERENCES evidence (id),           -- signature: what the customer has signed
    identity_check text NOT NULL,                           -- counter: how the staff has checked the identity
    paper          text NOT NULL,                           -- counter: the number of the written confirmation
    operator       text NOT NULL,                           -- counter
    CONSTRAINT fund_contract_way CHECK (
        way = 'earlier'   AND notice_version = '' AND evidence_id IS NULL OR
        way = 'signature' AND notice_version <> '' AND evidence_id IS NOT NULL OR
        way = 'counter'   AND notice_version <> '' AND evidence_id IS NULL AND identity_check <> '' AND paper <> '' AND operator <> '')
);
CREATE TRIGGER fund_contract_append_only BEFORE UPDATE OR DELETE ON fund_contract FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER fund_contract_no_truncate BEFORE TRUNCATE ON fund_contract FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A payee whom the customer has bound at the counter. It exempts from the contract only while the customer's number is the named one.
CREATE TABLE counter_payee (
    customer_id    uuid NOT NULL REFERENCES customer (id),
    account_id     uuid NOT NULL REFERENCES account (id),   -- of the payee
    phone_bidx     bytea,                                   -- of the named transaction phone; NULL: none is named
    bound_at       timestamptz NOT NULL,
    identity_check text NOT NULL,
    operator       text NOT NULL,
    PRIMARY KEY (customer_id, account_id)
);
CREATE TRIGGER counter_payee_no_truncate BEFORE TRUNCATE ON counter_payee FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO risk_notice (version, text, valid_from, proposed_by, approved_by) VALUES ('2026-01', '资金类交易风险提示：
一、开通后，您可以通过手机银行向他人付款。凭您的手机、密码、验证码或证书完成的交易视为本人办理，转账一般无法撤回。
二、请妥善保管手机、密码、验证码和证书，不向任何人透露，不出借手机；银行工作人员不会向您索要密码和验证码。
三、不要点击陌生链接，不在来历不明的应用或他人远程控制的屏幕上操作；警惕冒充公检法、客服、亲友要求转账的诈骗。
四、请核对收款人户名、账号和金额后再确认，并按需要调低转账限额。
五、手机丢失、号码更换或发现可疑交易时，请立即挂失账户并联系客服。
六、您可以随时到柜台办理限额调整、账户挂失等业务。',
    '2026-01-01 00:00+08', 'author of 0078', 'reviewer of 0078');

-- The customers of before keep paying.
INSERT INTO fund_contract (customer_id, way, opened_at, notice_version, identity_check, paper, operator)
SELECT id, 'earlier', now(), '', '', '', '' FROM customer;

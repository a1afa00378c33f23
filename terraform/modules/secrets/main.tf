# The secrets by name. Terraform never knows a value: an operator of the bank puts it in, so no state holds one.
resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:processes read a secret when they start, so the bank rotates it together with a restart
  for_each = toset(var.names)

  name                    = each.key
  description             = "Read by processes of the bank, never by people (docs/aws.md)"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_policy" "this" {
  for_each = toset(var.names)

  secret_arn          = aws_secretsmanager_secret.this[each.key].arn
  block_public_policy = true

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTLS"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "secretsmanager:GetSecretValue"
      Resource  = "*"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

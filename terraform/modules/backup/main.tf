# Daily snapshots of the database in a vault that nobody can empty, and a copy of each in the remote region's vault.
data "aws_partition" "current" {}
data "aws_caller_identity" "current" {}

resource "aws_backup_vault" "this" {
  name        = var.name
  kms_key_arn = var.key_arn
}

# After three days the lock itself is locked: no one shortens it any more.
resource "aws_backup_vault_lock_configuration" "this" {
  backup_vault_name   = aws_backup_vault.this.name
  min_retention_days  = 35
  max_retention_days  = 3653
  changeable_for_days = 3
}

resource "aws_backup_plan" "this" {
  count = length(var.resource_arns) == 0 ? 0 : 1

  name = var.name

  rule {
    rule_name         = "daily"
    target_vault_name = aws_backup_vault.this.name
    schedule          = "cron(0 19 * * ? *)" # 03:00 in Shanghai
    start_window      = 60
    completion_window = 300

    lifecycle {
      delete_after = var.days
    }

    dynamic "copy_action" {
      for_each = var.copies ? [var.copy_vault_arn] : []

      content {
        destination_vault_arn = copy_action.value

        lifecycle {
          delete_after = var.days
        }
      }
    }
  }
}

resource "aws_iam_role" "backup" {
  count = length(var.resource_arns) == 0 ? 0 : 1

  name        = "${var.name}-backup"
  path        = "/${var.name}/service/"
  description = "AWS Backup makes and copies snapshots"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "backup.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "backup" {
  count = length(var.resource_arns) == 0 ? 0 : 1

  role       = aws_iam_role.backup[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
}

resource "aws_backup_selection" "this" {
  count = length(var.resource_arns) == 0 ? 0 : 1

  name         = var.name
  plan_id      = aws_backup_plan.this[0].id
  iam_role_arn = aws_iam_role.backup[0].arn
  resources    = var.resource_arns
}

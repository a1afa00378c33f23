# One key for each purpose, so that a right to one kind of data gives no right to another. The key `keys` opens the
# key files of the functions: only roles of the bank's own path use it, each for its own encryption context (module iam).
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.region

  # The services that use a key by themselves, for resources of this account.
  keys = {
    keys     = { about = "Roots of the key files of functions and workers", services = [] }
    database = { about = "PostgreSQL, its snapshots and backups", services = [] }
    cache    = { about = "Redis", services = [] }
    events   = { about = "SNS topics and SQS queues", services = ["sns.amazonaws.com", "cloudwatch.amazonaws.com", "aps.amazonaws.com"] }
    secrets  = { about = "Secrets Manager", services = [] }
    storage  = { about = "Archives in S3", services = [] }
    cluster  = { about = "Secrets and disks of the cluster", services = [] }
    logs     = { about = "Logs in CloudWatch", services = ["logs.${local.region}.amazonaws.com"] }
  }

  # Rights come from the policies of roles in this account, as AWS recommends.
  by_roles = [{
    Sid       = "ByPoliciesOfThisAccount"
    Effect    = "Allow"
    Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }]

  by_services = {
    for name, key in local.keys : name => [for s in key.services : {
      Sid       = "ByService"
      Effect    = "Allow"
      Principal = { Service = s }
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = "*"
      # The logs service sends no account, but the log group as context.
      Condition = { for operator, keys in {
        ArnLike = startswith(s, "logs.") ? tomap({
          "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${local.region}:${local.account}:*"
        }) : tomap({})
        StringEquals = startswith(s, "logs.") ? tomap({}) : tomap({ "aws:SourceAccount" = local.account })
      } : operator => keys if length(keys) > 0 }
    }]
  }

  # Auto Scaling starts the nodes and encrypts their disks as this role of the account, and not as a service. It lends
  # EC2 the key by a grant for each disk.
  autoscaling_service = "autoscaling.amazonaws.com" # in China too
  autoscaling_role = coalesce(var.autoscaling_role_arn,
  "arn:${local.partition}:iam::${local.account}:role/aws-service-role/${local.autoscaling_service}/AWSServiceRoleForAutoScaling")

  by_autoscaling = {
    cluster = [{
      Sid       = "DisksOfNodes"
      Effect    = "Allow"
      Principal = { AWS = local.autoscaling_role }
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = "*"
      }, {
      Sid       = "GrantsForDisksOfNodes"
      Effect    = "Allow"
      Principal = { AWS = local.autoscaling_role }
      Action    = ["kms:CreateGrant"]
      Resource  = "*"
      Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
    }]
  }

  # Whoever may give rights in this account still opens no key file: only roles below the bank's path do.
  only_the_bank = {
    keys = [{
      Sid       = "OnlyRolesOfTheBank"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:CreateGrant"]
      Resource  = "*"
      Condition = {
        ArnNotLike = { "aws:PrincipalArn" = "arn:${local.partition}:iam::${local.account}:role/${var.name}/*" }
      }
      }, {
      Sid       = "OnlyForTheBanksContext"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
      Condition = { StringNotEquals = { "kms:EncryptionContext:bank" = var.bank } }
    }]
  }
}

# A new account lacks the role, and KMS refuses a policy that names a role that does not exist.
resource "aws_iam_service_linked_role" "autoscaling" {
  count = var.make_autoscaling_role ? 1 : 0

  aws_service_name = local.autoscaling_service
  description      = "Auto Scaling starts the nodes of the cluster"
}

resource "aws_kms_key" "this" {
  for_each = local.keys

  description             = "${var.name}: ${each.value.about}"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.by_roles, local.by_services[each.key], lookup(local.by_autoscaling, each.key, []), lookup(local.only_the_bank, each.key, []))
  })

  depends_on = [aws_iam_service_linked_role.autoscaling]
}

resource "aws_kms_alias" "this" {
  for_each = local.keys

  name          = "alias/${var.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}

# One role for each function and worker, and one for each task of an operator. A role may do what its process needs, and
# nothing else: its secrets, its own encryption context, and for two workers the topic or the queues (docs/aws.md).
data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  functions = { for f in var.functions : f.name => f }

  # By which service a key is used; China has a suffix of its own.
  via = { for service in ["secretsmanager", "sns", "sqs", "s3"] : service => [
    for suffix in ["amazonaws.com", "amazonaws.com.cn"] : "${service}.${data.aws_region.current.region}.${suffix}"
  ] }

  secrets = { for name, f in local.functions : name => [for s in f.secrets : var.secret_arns[s]] }

  reads_secrets = { for name, arns in local.secrets : name => [for s in [{
    Sid       = "ItsSecrets"
    Effect    = "Allow"
    Action    = ["secretsmanager:GetSecretValue"]
    Resource  = arns
    Condition = {}
    }, {
    Sid      = "TheKeyOfItsSecrets"
    Effect   = "Allow"
    Action   = ["kms:Decrypt"]
    Resource = [var.key_arns["secrets"]]
    Condition = { StringEquals = {
      "kms:ViaService"                  = local.via["secretsmanager"]
      "kms:EncryptionContext:SecretARN" = arns
    } }
  }] : s if length(arns) > 0] }

  opens_keys = { for name, f in local.functions : name => [for s in [{
    Sid      = "ItsKeyFile"
    Effect   = "Allow"
    Action   = ["kms:Decrypt"]
    Resource = [var.key_arns["keys"]]
    Condition = { StringEquals = {
      "kms:EncryptionContext:bank"    = [var.bank]
      "kms:EncryptionContext:process" = [name]
    } }
  }] : s if f.keys_kms] }

  publishes = { for name, f in local.functions : name => [for s in [{
    Sid       = "PublishEvents"
    Effect    = "Allow"
    Action    = ["sns:Publish"]
    Resource  = [var.topic_arn]
    Condition = {}
    }, {
    Sid       = "TheKeyOfTheTopic"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource  = [var.key_arns["events"]]
    Condition = { StringEquals = { "kms:ViaService" = local.via["sns"] } }
  }] : s if f.publishes] }

  polls = { for name, f in local.functions : name => [for s in [{
    Sid       = "TakeEvents"
    Effect    = "Allow"
    Action    = ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
    Resource  = values(var.queue_arns)
    Condition = {}
    }, {
    Sid       = "SetEventsAside"
    Effect    = "Allow"
    Action    = ["sqs:GetQueueUrl", "sqs:SendMessage"]
    Resource  = values(var.dead_letter_arns)
    Condition = {}
    }, {
    Sid       = "TheKeyOfTheQueues"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource  = [var.key_arns["events"]]
    Condition = { StringEquals = { "kms:ViaService" = local.via["sqs"] } }
  }] : s if f.polls] }

  statements = { for name, f in local.functions : name => concat(
    local.reads_secrets[name], local.opens_keys[name], local.publishes[name], local.polls[name],
  ) }

  operators = {
    keys-seal = [{
      Sid       = "SealKeyFiles"
      Effect    = "Allow"
      Action    = ["kms:GenerateDataKey"]
      Resource  = [var.key_arns["keys"]]
      Condition = { StringEquals = { "kms:EncryptionContext:bank" = [var.bank] } }
    }]
    dead-letters = [{
      Sid       = "ReadDeadLetters"
      Effect    = "Allow"
      Action    = ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"]
      Resource  = values(var.dead_letter_arns)
      Condition = {}
      }, {
      Sid       = "SendThemAgain"
      Effect    = "Allow"
      Action    = ["sqs:GetQueueUrl", "sqs:SendMessage"]
      Resource  = values(var.queue_arns)
      Condition = {}
      }, {
      Sid       = "TheKeyOfTheQueues"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [var.key_arns["events"]]
      Condition = { StringEquals = { "kms:ViaService" = local.via["sqs"] } }
    }]
    audit-archive = [{
      Sid       = "ArchiveTheAuditRecord"
      Effect    = "Allow"
      Action    = ["s3:PutObject", "s3:PutObjectRetention", "s3:GetObject"]
      Resource  = [for arn in values(var.bucket_arns) : "${arn}/*"]
      Condition = {}
      }, {
      Sid       = "ListTheArchive"
      Effect    = "Allow"
      Action    = ["s3:ListBucket"]
      Resource  = values(var.bucket_arns)
      Condition = {}
      }, {
      Sid       = "TheKeyOfTheArchive"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = [var.key_arns["storage"]]
      Condition = { StringEquals = { "kms:ViaService" = local.via["s3"] } }
    }]
  }

  # EKS gives the role to pods of the process's own service account. An installation without a cluster, as the
  # emulator, names the cluster "none": no pod has this role then.
  pods = { for name, f in local.functions : name => {
    "aws:SourceAccount"                         = data.aws_caller_identity.current.account_id
    "aws:RequestTag/eks-cluster-name"           = coalesce(var.cluster_name, "none")
    "aws:RequestTag/kubernetes-namespace"       = var.namespace
    "aws:RequestTag/kubernetes-service-account" = name
  } }
}

resource "aws_iam_role" "process" {
  for_each = local.functions

  name                 = "${var.name}-${each.key}"
  path                 = "/${var.name}/process/"
  description          = "Process ${each.key} of the bank"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "PodsOfTheProcess"
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = local.pods[each.key] }
    }]
  })
}

resource "aws_iam_role_policy" "process" {
  for_each = { for name, list in local.statements : name => list if length(list) > 0 }

  name = "its-needs"
  role = aws_iam_role.process[each.key].id

  policy = jsonencode({ Version = "2012-10-17", Statement = [for s in each.value : {
    for key, value in s : key => value if key != "Condition" || length(s.Condition) > 0
  }] })
}

resource "aws_eks_pod_identity_association" "process" {
  for_each = var.cluster_name == null ? {} : local.functions

  cluster_name    = var.cluster_name
  namespace       = var.namespace
  service_account = each.key
  role_arn        = aws_iam_role.process[each.key].arn
}

# People take the role of a task with a second factor, for an hour.
resource "aws_iam_role" "operator" {
  for_each = length(var.operator_arns) == 0 ? {} : local.operators

  name                 = "${var.name}-operator-${each.key}"
  path                 = "/${var.name}/operator/"
  description          = "An operator's task, ${each.key} (docs/aws.md)"
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OperatorsWithASecondFactor"
      Effect    = "Allow"
      Principal = { AWS = var.operator_arns }
      Action    = "sts:AssumeRole"
      Condition = { Bool = { "aws:MultiFactorAuthPresent" = "true" } }
    }]
  })
}

resource "aws_iam_role_policy" "operator" {
  for_each = aws_iam_role.operator

  name = "its-task"
  role = each.value.id

  policy = jsonencode({ Version = "2012-10-17", Statement = [for s in local.operators[each.key] : {
    for key, value in s : key => value if key != "Condition" || length(s.Condition) > 0
  }] })
}

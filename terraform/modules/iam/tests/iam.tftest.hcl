provider "aws" {
  region = "cn-north-1"
}

run "inventory" {
  module {
    source = "../inventory"
  }
}

variables {
  name         = "tidebank"
  cluster_name = "tidebank"
  topic_arn    = "arn:aws:sns:us-east-1:111122223333:tidebank-events"
  bucket_arns  = { archive = "arn:aws:s3:::archive" }
  key_arns     = { keys = "key/keys", secrets = "key/secrets", events = "key/events", storage = "key/storage" }

  operator_arns = ["arn:aws:iam::111122223333:role/operator"]
}

run "each_process_has_a_role_of_its_own" {
  variables {
    bank             = run.inventory.bank
    functions        = run.inventory.functions
    secret_arns      = { for s in run.inventory.secrets : s => "secret/${s}" }
    queue_arns       = { for c in run.inventory.consumers : c.name => "queue/${c.queue}" }
    dead_letter_arns = { for c in run.inventory.consumers : c.name => "queue/${c.dead_letter_queue}" }
  }

  assert {
    condition     = toset(keys(aws_iam_role.process)) == toset([for f in var.functions : f.name])
    error_message = "The roles are not those of the functions and workers of the inventory."
  }

  assert {
    condition = alltrue([for name, r in aws_iam_role.process : alltrue([
      for s in jsondecode(r.assume_role_policy).Statement :
      s.Principal == { Service = "pods.eks.amazonaws.com" } &&
      s.Condition.StringEquals["aws:RequestTag/kubernetes-service-account"] == name &&
      s.Condition.StringEquals["aws:RequestTag/kubernetes-namespace"] == "tidebank" &&
      s.Condition.StringEquals["aws:RequestTag/eks-cluster-name"] == "tidebank"
    ])])
    error_message = "Pods of another process may take a role."
  }

  assert {
    condition = alltrue([for name, a in aws_eks_pod_identity_association.process :
      a.service_account == name && a.role_arn == aws_iam_role.process[name].arn
    ]) && length(aws_eks_pod_identity_association.process) == length(var.functions)
    error_message = "A process does not get its own role."
  }
}

run "a_role_reads_only_its_own_secrets" {
  variables {
    bank             = run.inventory.bank
    functions        = run.inventory.functions
    secret_arns      = { for s in run.inventory.secrets : s => "secret/${s}" }
    queue_arns       = { for c in run.inventory.consumers : c.name => "queue/${c.queue}" }
    dead_letter_arns = { for c in run.inventory.consumers : c.name => "queue/${c.dead_letter_queue}" }
  }

  assert {
    condition = alltrue([for f in var.functions : toset(flatten([
      for s in try(jsondecode(aws_iam_role_policy.process[f.name].policy).Statement, []) : s.Resource
      if contains(s.Action, "secretsmanager:GetSecretValue")
    ])) == toset([for s in f.secrets : "secret/${s}"])])
    error_message = "A role reads other secrets than those that the inventory names for its process."
  }

  assert {
    condition = alltrue(flatten([for f in var.functions : [
      for s in try(jsondecode(aws_iam_role_policy.process[f.name].policy).Statement, []) :
      toset(s.Condition.StringEquals["kms:EncryptionContext:SecretARN"]) == toset([for x in f.secrets : "secret/${x}"])
      if contains(s.Resource, "key/secrets")
    ]]))
    error_message = "A role opens other secrets than its own by their key."
  }
}

run "a_role_opens_only_its_own_key_file" {
  variables {
    bank             = run.inventory.bank
    functions        = run.inventory.functions
    secret_arns      = { for s in run.inventory.secrets : s => "secret/${s}" }
    queue_arns       = { for c in run.inventory.consumers : c.name => "queue/${c.queue}" }
    dead_letter_arns = { for c in run.inventory.consumers : c.name => "queue/${c.dead_letter_queue}" }
  }

  assert {
    condition = alltrue([for f in var.functions : [
      for s in try(jsondecode(aws_iam_role_policy.process[f.name].policy).Statement, []) :
      { action = s.Action, condition = s.Condition } if contains(s.Resource, "key/keys")
      ] == [for one in f.keys_kms ? [f.name] : [] : {
        action = ["kms:Decrypt"]
        condition = { StringEquals = {
          "kms:EncryptionContext:bank" = [var.bank], "kms:EncryptionContext:process" = [one]
        } }
    }]])
    error_message = "A role opens key files of another process, or a process that has one can't open it."
  }
}

run "nothing_else" {
  variables {
    bank             = run.inventory.bank
    functions        = run.inventory.functions
    secret_arns      = { for s in run.inventory.secrets : s => "secret/${s}" }
    queue_arns       = { for c in run.inventory.consumers : c.name => "queue/${c.queue}" }
    dead_letter_arns = { for c in run.inventory.consumers : c.name => "queue/${c.dead_letter_queue}" }
  }

  assert {
    condition = alltrue(flatten([for p in concat(values(aws_iam_role_policy.process), values(aws_iam_role_policy.operator)) : [
      for s in jsondecode(p.policy).Statement :
      alltrue([for a in s.Action : !strcontains(a, "*")]) && !contains(s.Resource, "*")
    ]]))
    error_message = "A right has a wildcard."
  }

  assert {
    condition = toset([for name, p in aws_iam_role_policy.process : name if strcontains(p.policy, "sns:Publish")]) == toset(
      [for f in var.functions : f.name if f.publishes]
    )
    error_message = "Others than the relay publish events."
  }

  assert {
    condition = toset([for name, p in aws_iam_role_policy.process : name if strcontains(p.policy, "sqs:")]) == toset(
      [for f in var.functions : f.name if f.polls]
    )
    error_message = "Others than the worker of the queues use them."
  }

  assert {
    condition     = alltrue([for p in aws_iam_role_policy.process : !strcontains(p.policy, "s3:") && !strcontains(p.policy, "\"kms:Encrypt\"")])
    error_message = "A process has a right that none needs."
  }
}

run "a_function_that_is_gone" {
  variables {
    bank             = run.inventory.bank
    functions        = [for f in run.inventory.functions : f if f.name != "transfer-confirm"]
    secret_arns      = { for s in run.inventory.secrets : s => "secret/${s}" }
    queue_arns       = {}
    dead_letter_arns = {}
  }

  assert {
    condition = length(aws_iam_role.process) == length(jsondecode(file("../../../infra/aws/inventory.json")).functions) - 1 && !contains(keys(aws_iam_role.process), "transfer-confirm") && !contains(
      keys(aws_eks_pod_identity_association.process), "transfer-confirm"
    )
    error_message = "A function whose folder is removed keeps its role."
  }
}

run "the_database_of_another_process" {
  command = plan

  variables {
    bank = "tidebank"
    functions = [{
      name      = "transfer-get", kind = "http", secrets = ["tidebank-transfer-confirm-database-url"], key_purposes = [], keys_kms = false
      publishes = false, polls = false
    }]
    secret_arns      = { "tidebank-transfer-confirm-database-url" = "secret/x" }
    queue_arns       = {}
    dead_letter_arns = {}
  }

  expect_failures = [var.functions]
}

run "a_function_that_publishes" {
  command = plan

  variables {
    bank = "tidebank"
    functions = [{
      name = "transfer-get", kind = "http", secrets = [], key_purposes = [], keys_kms = false, publishes = true, polls = false
    }]
    secret_arns      = {}
    queue_arns       = {}
    dead_letter_arns = {}
  }

  expect_failures = [var.functions]
}

run "a_whole_account_as_operator" {
  command = plan

  variables {
    bank             = "tidebank"
    functions        = []
    secret_arns      = {}
    queue_arns       = {}
    dead_letter_arns = {}
    operator_arns    = ["arn:aws:iam::111122223333:root"]
  }

  expect_failures = [var.operator_arns]
}

run "operators_need_a_second_factor" {
  variables {
    bank             = "tidebank"
    functions        = []
    secret_arns      = {}
    queue_arns       = {}
    dead_letter_arns = {}
  }

  assert {
    condition = toset(keys(aws_iam_role.operator)) == toset(["keys-seal", "audit-archive", "dead-letters"]) && alltrue([for r in aws_iam_role.operator : alltrue([
      for s in jsondecode(r.assume_role_policy).Statement : s.Condition.Bool["aws:MultiFactorAuthPresent"] == "true"
    ])])
    error_message = "An operator takes a role without a second factor."
  }
}

provider "aws" {
  region = "cn-north-1"
}

run "inventory" {
  module {
    source = "../inventory"
  }
}

variables {
  key_arn = "arn:aws:kms:us-east-1:111122223333:key/secrets"
}

run "each_secret_of_the_inventory" {
  variables {
    names = run.inventory.secrets
  }

  assert {
    condition     = toset([for s in aws_secretsmanager_secret.this : s.name]) == toset(var.names)
    error_message = "The secrets are not those of the inventory."
  }

  assert {
    condition     = alltrue([for s in aws_secretsmanager_secret.this : s.kms_key_id == var.key_arn && s.recovery_window_in_days == 30])
    error_message = "A secret is under another key, or is gone at once when deleted."
  }

  assert {
    condition = alltrue([for p in aws_secretsmanager_secret_policy.this : p.block_public_policy && anytrue([
      for s in jsondecode(p.policy).Statement : s.Effect == "Deny" && try(s.Condition.Bool["aws:SecureTransport"], "") == "false"
    ])])
    error_message = "A secret can be read without TLS."
  }
}

run "a_name_twice" {
  command = plan

  variables {
    names = ["a", "a"]
  }

  expect_failures = [var.names]
}

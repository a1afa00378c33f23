provider "aws" {
  region = "cn-north-1"
}

variables {
  name = "tidebank"
  bank = "tidebank"
}

run "each_key_rotates" {
  command = plan

  assert {
    condition     = alltrue([for k in aws_kms_key.this : k.enable_key_rotation && k.deletion_window_in_days == 30])
    error_message = "A key does not rotate, or can be deleted within a month."
  }

  assert {
    condition     = toset(keys(aws_kms_alias.this)) == toset(keys(aws_kms_key.this))
    error_message = "A key has no alias."
  }
}

run "only_roles_of_the_bank_open_key_files" {
  command = plan

  assert {
    condition = anytrue([for s in jsondecode(aws_kms_key.this["keys"].policy).Statement :
      s.Effect == "Deny" && contains(s.Action, "kms:Decrypt") &&
      try(s.Condition.ArnNotLike["aws:PrincipalArn"], "") == "arn:aws-cn:iam::111122223333:role/tidebank/*"
    ])
    error_message = "Roles outside the bank's path may open key files."
  }

  assert {
    condition = anytrue([for s in jsondecode(aws_kms_key.this["keys"].policy).Statement :
      s.Effect == "Deny" && contains(s.Action, "kms:GenerateDataKey*") &&
      try(s.Condition.StringNotEquals["kms:EncryptionContext:bank"], "") == "tidebank"
    ])
    error_message = "A root can be made or opened without the bank's encryption context."
  }
}

run "services_use_keys_of_this_account_only" {
  command = plan

  assert {
    condition = alltrue(flatten([for k in aws_kms_key.this : [for s in jsondecode(k.policy).Statement :
      length(try(s.Condition, {})) > 0 if s.Sid == "ByService"
    ]]))
    error_message = "A service may use a key for resources of other accounts."
  }
}

run "a_name_with_capitals" {
  command = plan

  variables {
    name = "Tidebank"
  }

  expect_failures = [var.name]
}

run "no_bank" {
  command = plan

  variables {
    bank = ""
  }

  expect_failures = [var.bank]
}

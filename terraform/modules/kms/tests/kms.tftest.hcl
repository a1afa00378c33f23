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

run "autoscaling_encrypts_the_disks_of_nodes" {
  command = plan

  assert {
    condition = [for s in jsondecode(aws_kms_key.this["cluster"].policy).Statement : s if s.Sid == "DisksOfNodes"] == [{
      Sid       = "DisksOfNodes"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws-cn:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling" }
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = "*"
    }]
    error_message = "The role of Auto Scaling does not use the key of the disks, so no node starts."
  }

  assert {
    condition = [for s in jsondecode(aws_kms_key.this["cluster"].policy).Statement : s if s.Sid == "GrantsForDisksOfNodes"] == [{
      Sid       = "GrantsForDisksOfNodes"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws-cn:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling" }
      Action    = ["kms:CreateGrant"]
      Resource  = "*"
      Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
    }]
    error_message = "The role of Auto Scaling lends EC2 no key for a disk, or lends the key to others."
  }

  assert {
    condition     = alltrue([for name, k in aws_kms_key.this : !strcontains(k.policy, "autoscaling") || name == "cluster"])
    error_message = "Auto Scaling uses another key than that of the disks."
  }

  assert {
    condition     = [for r in aws_iam_service_linked_role.autoscaling : r.aws_service_name] == ["autoscaling.amazonaws.com"]
    error_message = "A new account lacks the role of Auto Scaling."
  }
}

run "the_account_has_the_role_of_autoscaling" {
  command = plan

  variables {
    make_autoscaling_role = false
    autoscaling_role_arn  = "arn:aws-cn:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
  }

  assert {
    condition     = length(aws_iam_service_linked_role.autoscaling) == 0 && strcontains(aws_kms_key.this["cluster"].policy, var.autoscaling_role_arn)
    error_message = "A second role is made, which AWS refuses, or the key does not name the role."
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

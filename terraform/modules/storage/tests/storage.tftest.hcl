provider "aws" {
  region = "cn-north-1"
}

run "inventory" {
  module {
    source = "../inventory"
  }
}

variables {
  name    = "tidebank"
  suffix  = "-111122223333"
  key_arn = "arn:aws:kms:us-east-1:111122223333:key/storage"
}

run "nobody_deletes_an_archived_object" {
  variables {
    buckets = run.inventory.buckets
  }

  assert {
    condition = alltrue([for b in var.buckets :
      aws_s3_bucket.archive[b.name].object_lock_enabled &&
      aws_s3_bucket.archive[b.name].bucket == "${b.name}-111122223333" &&
      aws_s3_bucket_object_lock_configuration.archive[b.name].rule[0].default_retention[0].mode == "COMPLIANCE" &&
      aws_s3_bucket_object_lock_configuration.archive[b.name].rule[0].default_retention[0].days == b.object_lock_days &&
      aws_s3_bucket_versioning.archive[b.name].versioning_configuration[0].status == "Enabled"
    ])
    error_message = "An archive has no object lock in compliance mode for the days of the inventory, or no versions."
  }

  assert {
    condition     = length(aws_s3_bucket_replication_configuration.archive) == 0
    error_message = "An archive is copied to nowhere."
  }
}

run "no_bucket_is_public_or_in_clear" {
  variables {
    buckets = run.inventory.buckets
  }

  assert {
    condition = alltrue([for b in concat(values(aws_s3_bucket_public_access_block.archive), [aws_s3_bucket_public_access_block.logs]) :
      b.block_public_acls && b.block_public_policy && b.ignore_public_acls && b.restrict_public_buckets
    ]) && length(aws_s3_bucket_public_access_block.archive) == length(var.buckets)
    error_message = "A bucket can be made public."
  }

  assert {
    condition = alltrue([for p in concat(values(aws_s3_bucket_policy.archive), [aws_s3_bucket_policy.logs]) : anytrue([
      for s in jsondecode(p.policy).Statement : s.Effect == "Deny" && s.Action == "s3:*" && length(s.Resource) == 2 && try(s.Condition.Bool["aws:SecureTransport"], "") == "false"
    ])])
    error_message = "A bucket can be used without TLS."
  }

  assert {
    condition = alltrue(flatten([for e in aws_s3_bucket_server_side_encryption_configuration.archive : [for r in e.rule :
      r.apply_server_side_encryption_by_default[0].kms_master_key_id == var.key_arn
    ]]))
    error_message = "An archive is not under its KMS key."
  }
}

run "a_copy_in_the_remote_region" {
  variables {
    buckets = run.inventory.buckets
    replica = {
      bucket_arns = { for b in run.inventory.buckets : b.name => "arn:aws:s3:::${b.name}-remote" }
      key_arn     = "arn:aws:kms:us-west-2:111122223333:key/storage"
    }
  }

  assert {
    condition = alltrue([for b in var.buckets : alltrue([
      for r in aws_s3_bucket_replication_configuration.archive[b.name].rule :
      r.status == "Enabled" && r.destination[0].bucket == "arn:aws:s3:::${b.name}-remote" &&
      r.destination[0].encryption_configuration[0].replica_kms_key_id == var.replica.key_arn
    ])])
    error_message = "An archive has no copy in the remote region."
  }
}

run "a_lock_of_a_year" {
  command = plan

  variables {
    buckets = [{ name = "archive", object_lock_days = 365 }]
  }

  expect_failures = [var.buckets]
}

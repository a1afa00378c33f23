provider "aws" {
  region = "cn-north-1"
}

variables {
  name    = "tidebank"
  key_arn = "key/database"
}

run "a_copy_far_away_each_day" {
  variables {
    resource_arns  = ["arn:database"]
    copies         = true
    copy_vault_arn = "arn:remote-vault"
  }

  assert {
    condition     = alltrue([for r in aws_backup_plan.this[0].rule : one(r.copy_action).destination_vault_arn == "arn:remote-vault"])
    error_message = "Snapshots stay in the region."
  }

  assert {
    condition     = aws_backup_vault_lock_configuration.this.min_retention_days == 35 && aws_backup_vault_lock_configuration.this.changeable_for_days == 3
    error_message = "Snapshots can be deleted."
  }

  assert {
    condition     = toset(aws_backup_selection.this[0].resources) == toset(["arn:database"])
    error_message = "The database is not backed up."
  }
}

run "a_vault_that_only_takes_copies" {
  assert {
    condition     = length(aws_backup_plan.this) == 0 && aws_backup_vault.this.kms_key_arn == "key/database"
    error_message = "The remote region makes snapshots of its own."
  }
}

run "snapshots_for_a_week" {
  command = plan

  variables {
    days = 7
  }

  expect_failures = [var.days]
}

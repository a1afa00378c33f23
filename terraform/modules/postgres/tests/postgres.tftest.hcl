provider "aws" {
  region = "cn-north-1"
}

variables {
  name              = "tidebank"
  subnets           = { a = "subnet-a", b = "subnet-b", c = "subnet-c" }
  security_group_id = "sg-database"
  instance_class    = "db.r7g.large"
  connections       = 500
  master_password   = "not-a-real-password"
  key_arn           = "key/database"
  log_key_arn       = "key/logs"
}

run "only_tls" {
  assert {
    condition = length([for p in aws_rds_cluster_parameter_group.this.parameter : p
      if p.name == "rds.force_ssl" && p.value == "1" || p.name == "ssl_min_protocol_version" && p.value == "TLSv1.2"
    ]) == 2
    error_message = "The database takes connections without TLS, or with an old one."
  }

  assert {
    condition     = aws_rds_cluster.this.db_cluster_parameter_group_name == aws_rds_cluster_parameter_group.this.name
    error_message = "The database does not use the parameters."
  }
}

run "not_public_and_encrypted" {
  assert {
    condition     = alltrue([for i in aws_rds_cluster_instance.zone : !i.publicly_accessible]) && toset(aws_db_subnet_group.this.subnet_ids) == toset(values(var.subnets)) && toset(aws_rds_cluster.this.vpc_security_group_ids) == toset(["sg-database"])
    error_message = "The database is reached from outside."
  }

  assert {
    condition     = aws_rds_cluster.this.storage_encrypted && aws_rds_cluster.this.kms_key_id == "key/database" && aws_rds_cluster.this.deletion_protection && !aws_rds_cluster.this.skip_final_snapshot
    error_message = "The database lies in clear, or is gone by one command."
  }
}

run "each_zone_can_take_over" {
  assert {
    condition = toset([for i in aws_rds_cluster_instance.zone : i.availability_zone]) == toset(keys(var.subnets)) && alltrue(
      [for i in aws_rds_cluster_instance.zone : i.promotion_tier == 0]
    )
    error_message = "A zone has no instance that takes over."
  }

  assert {
    condition     = aws_rds_cluster.this.backup_retention_period == 35
    error_message = "No second of the last 35 days can be restored."
  }
}

run "statements_of_administrators_are_logged" {
  assert {
    condition = length([for p in aws_rds_cluster_parameter_group.this.parameter : p
      if p.name == "pgaudit.log" && p.value == "ddl,role" || p.name == "log_connections" && p.value == "1" || p.name == "log_parameter_max_length" && p.value == "0"
    ]) == 3 && contains(aws_rds_cluster.this.enabled_cloudwatch_logs_exports, "postgresql")
    error_message = "Connections or changes of rights are not logged, or values of customers are."
  }
}

run "the_processes_fit" {
  assert {
    condition     = one([for p in aws_rds_cluster_parameter_group.this.parameter : p.value if p.name == "max_connections"]) == "600"
    error_message = "The database takes fewer connections than the processes open."
  }
}

run "a_remote_region_follows" {
  variables {
    followed = true
  }

  assert {
    condition     = aws_rds_cluster.this.global_cluster_identifier == aws_rds_global_cluster.this[0].id && aws_rds_global_cluster.this[0].storage_encrypted
    error_message = "The database is not part of a global one."
  }
}

run "the_remote_region" {
  variables {
    follower          = true
    global_cluster_id = "tidebank"
    master_password   = null
  }

  assert {
    condition     = length(aws_rds_global_cluster.this) == 0 && aws_rds_cluster.this.global_cluster_identifier == "tidebank"
    error_message = "The remote database does not follow."
  }
}

run "follower_and_followed" {
  command = plan

  variables {
    follower          = true
    followed          = true
    global_cluster_id = "tidebank"
  }

  expect_failures = [var.follower]
}

run "an_old_postgresql" {
  command = plan

  variables {
    engine_version = "14.9"
  }

  expect_failures = [var.engine_version]
}

run "two_zones" {
  command = plan

  variables {
    subnets = { a = "subnet-a", b = "subnet-b" }
  }

  expect_failures = [var.subnets]
}

run "a_day_of_backups" {
  command = plan

  variables {
    backup_days = 1
  }

  expect_failures = [var.backup_days]
}

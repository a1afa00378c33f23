# Aurora PostgreSQL. A commit is answered when four of the six copies in three zones hold it, so the loss of a zone loses
# no acknowledged transfer. Each zone has an instance that can take over at once. A remote region follows as a member of
# the same global database (docs/availability.md).
data "aws_partition" "current" {}

locals {
  engine  = "aurora-postgresql"
  family  = "aurora-postgresql${split(".", var.engine_version)[0]}"
  primary = !var.follower
}

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "Data subnets of the bank, without a way out"
  subnet_ids  = values(var.subnets)
}

resource "aws_rds_cluster_parameter_group" "this" {
  name        = "${var.name}-${replace(local.family, ".", "-")}"
  family      = local.family
  description = "Only TLS; every session and each change of rights or schema is logged"

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = contains(local.at_start, parameter.key) ? "pending-reboot" : "immediate"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  parameters = {
    "rds.force_ssl"              = "1"
    "ssl_min_protocol_version"   = "TLSv1.2"
    "max_connections"            = tostring(var.connections + local.reserve)
    "password_encryption"        = "scram-sha-256"
    "shared_preload_libraries"   = "pg_stat_statements,pgaudit"
    "pgaudit.log"                = "ddl,role"
    "log_connections"            = "1"
    "log_disconnections"         = "1"
    "log_lock_waits"             = "1"
    "log_min_duration_statement" = "1000"
    # Values of customers never enter the log with a slow statement.
    "log_parameter_max_length"          = "0"
    "log_parameter_max_length_on_error" = "0"
  }
  at_start = ["max_connections", "shared_preload_libraries"]
  # For operators, migrations and the standby instances, besides what all processes open at most.
  reserve = 100
}

resource "aws_rds_global_cluster" "this" {
  count = local.primary && var.followed ? 1 : 0

  global_cluster_identifier = var.name
  engine                    = local.engine
  engine_version            = var.engine_version
  storage_encrypted         = true
  deletion_protection       = true
}

resource "aws_rds_cluster" "this" {
  #checkov:skip=CKV2_AWS_8:module backup takes the database's ARN from module bank, which checkov does not follow
  #checkov:skip=CKV2_AWS_27:pgaudit logs changes of schema and rights; every statement would put customers' data into the log
  cluster_identifier              = var.name
  engine                          = local.engine
  engine_version                  = var.engine_version
  global_cluster_identifier       = local.primary ? one(aws_rds_global_cluster.this[*].id) : var.global_cluster_id
  database_name                   = local.primary ? "tidebank" : null
  master_username                 = local.primary ? "tidebank_owner" : null
  master_password_wo              = local.primary ? var.master_password : null
  master_password_wo_version      = local.primary ? var.master_password_version : null
  db_subnet_group_name            = aws_db_subnet_group.this.name
  vpc_security_group_ids          = [var.security_group_id]
  db_cluster_parameter_group_name = aws_rds_cluster_parameter_group.this.name
  port                            = 5432

  storage_encrypted = true
  kms_key_id        = var.key_arn

  iam_database_authentication_enabled = true
  deletion_protection                 = true
  skip_final_snapshot                 = false
  final_snapshot_identifier           = "${var.name}-last"
  copy_tags_to_snapshot               = true
  delete_automated_backups            = false

  # Any second of these days can be restored (docs/availability.md).
  backup_retention_period      = var.backup_days
  preferred_backup_window      = "18:00-19:00" # 02:00 in Shanghai
  preferred_maintenance_window = "tue:19:00-tue:20:00"

  enabled_cloudwatch_logs_exports = ["postgresql"]

  depends_on = [aws_cloudwatch_log_group.postgresql]

  lifecycle {
    # RDS adds zones by itself where a region has more than three.
    ignore_changes = [availability_zones]
  }
}

resource "aws_rds_cluster_instance" "zone" {
  for_each = var.subnets

  identifier           = "${var.name}-${each.key}"
  cluster_identifier   = aws_rds_cluster.this.id
  engine               = local.engine
  engine_version       = var.engine_version
  instance_class       = var.instance_class
  availability_zone    = each.key
  db_subnet_group_name = aws_db_subnet_group.this.name
  publicly_accessible  = false
  promotion_tier       = 0
  ca_cert_identifier   = "rds-ca-ecc384-g1"

  auto_minor_version_upgrade = true
  copy_tags_to_snapshot      = true

  monitoring_interval                   = 15
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.key_arn
  performance_insights_retention_period = 31
}

resource "aws_cloudwatch_log_group" "postgresql" {
  # RDS writes to this name, and to no other.
  name              = "/aws/rds/cluster/${var.name}/postgresql"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_iam_role" "monitoring" {
  name        = "${var.name}-database-monitoring"
  path        = "/${var.name}/service/"
  description = "RDS writes figures of the database's hosts"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "monitoring.rds.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

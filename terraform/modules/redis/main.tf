# ElastiCache: sessions, rates and sequences. Its loss ends sessions and loses nothing more (docs/availability.md). A node
# in each zone; another takes over when the first is lost. Only TLS, and only users with a password.
resource "aws_elasticache_subnet_group" "this" {
  name        = var.name
  description = "Data subnets of the bank, without a way out"
  subnet_ids  = values(var.subnets)
}

resource "aws_elasticache_parameter_group" "this" {
  name        = "${var.name}-${var.family}"
  family      = var.family
  description = "Refuses writes when full: an evicted key would be a lost session or rate"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

# A group needs the user `default`. It may do nothing, so a client without a user's name and password is refused.
resource "aws_elasticache_user" "nobody" {
  user_id       = "${var.name}-nobody"
  user_name     = "default"
  engine        = var.engine
  access_string = "off -@all"

  authentication_mode {
    type = "no-password-required"
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = var.name
  engine        = var.engine
  user_ids      = concat([aws_elasticache_user.nobody.user_id], var.user_ids)
}

resource "aws_cloudwatch_log_group" "redis" {
  for_each = toset(["slow-log", "engine-log"])

  name              = "/${var.name}/redis/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id = var.name
  description          = "Sessions, rates and sequences of the bank"
  engine               = var.engine
  engine_version       = var.engine_version
  node_type            = var.node_type
  port                 = 6379

  num_cache_clusters          = length(var.subnets)
  preferred_cache_cluster_azs = keys(var.subnets)
  multi_az_enabled            = true
  automatic_failover_enabled  = true

  subnet_group_name    = aws_elasticache_subnet_group.this.name
  security_group_ids   = [var.security_group_id]
  parameter_group_name = aws_elasticache_parameter_group.this.name
  user_group_ids       = [aws_elasticache_user_group.this.id]

  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  at_rest_encryption_enabled = true
  kms_key_id                 = var.key_arn

  auto_minor_version_upgrade = true
  maintenance_window         = "tue:19:00-tue:20:00"
  # Sessions in an old snapshot are worth nothing, and would be a risk: none is made.
  snapshot_retention_limit = 0

  dynamic "log_delivery_configuration" {
    for_each = aws_cloudwatch_log_group.redis

    content {
      log_type         = log_delivery_configuration.key
      log_format       = "json"
      destination_type = "cloudwatch-logs"
      destination      = log_delivery_configuration.value.name
    }
  }
}

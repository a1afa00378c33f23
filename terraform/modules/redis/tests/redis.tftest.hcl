provider "aws" {
  region = "cn-north-1"
}

variables {
  name              = "tidebank"
  subnets           = { a = "subnet-a", b = "subnet-b", c = "subnet-c" }
  security_group_id = "sg-cache"
  node_type         = "cache.r7g.large"
  user_ids          = ["tidebank-app"]
  key_arn           = "key/cache"
  log_key_arn       = "key/logs"
}

run "another_zone_takes_over" {
  assert {
    condition = (
      aws_elasticache_replication_group.this.multi_az_enabled && aws_elasticache_replication_group.this.automatic_failover_enabled &&
      aws_elasticache_replication_group.this.num_cache_clusters == 3 &&
      toset(aws_elasticache_replication_group.this.preferred_cache_cluster_azs) == toset(keys(var.subnets))
    )
    error_message = "The loss of a zone ends Redis."
  }
}

run "only_tls_and_only_users" {
  assert {
    condition = (
      aws_elasticache_replication_group.this.transit_encryption_enabled &&
      aws_elasticache_replication_group.this.transit_encryption_mode == "required" &&
      aws_elasticache_replication_group.this.at_rest_encryption_enabled &&
      aws_elasticache_replication_group.this.kms_key_id == "key/cache"
    )
    error_message = "Redis takes connections in clear, or lies in clear."
  }

  assert {
    condition = (
      aws_elasticache_replication_group.this.user_group_ids == toset([aws_elasticache_user_group.this.id]) &&
      aws_elasticache_user.nobody.access_string == "off -@all" && aws_elasticache_user.nobody.user_name == "default" &&
      contains(aws_elasticache_user_group.this.user_ids, "tidebank-app")
    )
    error_message = "A client without a password may use Redis, or the bank's user may not."
  }

  assert {
    condition     = anytrue([for p in aws_elasticache_parameter_group.this.parameter : p.name == "maxmemory-policy" && p.value == "noeviction"])
    error_message = "A full Redis throws sessions and rates away."
  }
}

run "no_user" {
  command = plan

  variables {
    user_ids = []
  }

  expect_failures = [var.user_ids]
}

run "one_zone" {
  command = plan

  variables {
    subnets = { a = "subnet-a" }
  }

  expect_failures = [var.subnets]
}

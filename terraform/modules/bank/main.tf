# The whole bank in one region. An environment uses it once, and production a second time for the remote region, which
# follows the first (docs/terraform.md).
data "aws_region" "current" {}

module "inventory" {
  source = "../inventory"
}

module "kms" {
  source = "../kms"

  name                  = var.name
  bank                  = module.inventory.bank
  make_autoscaling_role = var.make_autoscaling_role
  autoscaling_role_arn  = var.autoscaling_role_arn
}

module "network" {
  source = "../network"

  name               = var.name
  cidr               = var.cidr
  zones              = var.zones
  edge_cidrs         = var.edge_cidrs
  operator_cidrs     = var.operator_cidrs
  allowed_domains    = var.allowed_domains
  endpoints_china    = var.endpoints_china
  managed_prometheus = var.managed_prometheus
  log_key_arn        = module.kms.arns["logs"]
  log_days           = var.log_days
}

module "edge" {
  source = "../edge"

  name              = var.name
  vpc_id            = module.network.vpc_id
  subnet_ids        = values(module.network.subnets.edge)
  security_group_id = module.network.security_groups["edge"]
  gateway_port      = module.network.gateway_port
}

module "cluster" {
  source = "../cluster"

  name                  = var.name
  subnets               = module.network.subnets.cluster
  security_group_id     = module.network.security_groups["nodes"]
  api_security_group_id = module.network.security_groups["api"]
  nodes                 = var.nodes
  admin_arns            = var.admin_arns
  key_arn               = module.kms.arns["cluster"]
  log_key_arn           = module.kms.arns["logs"]
  log_days              = var.log_days
}

module "postgres" {
  source = "../postgres"

  name                    = var.name
  subnets                 = module.network.subnets.data
  security_group_id       = module.network.security_groups["database"]
  instance_class          = var.database_class
  connections             = module.inventory.connections
  followed                = var.has_remote
  follower                = var.is_remote
  global_cluster_id       = var.global_cluster_id
  master_password         = var.database_password
  master_password_version = var.database_password_version
  key_arn                 = module.kms.arns["database"]
  log_key_arn             = module.kms.arns["logs"]
  log_days                = var.log_days
}

module "redis" {
  source = "../redis"

  name              = var.name
  subnets           = module.network.subnets.data
  security_group_id = module.network.security_groups["cache"]
  node_type         = var.redis_type
  user_ids          = var.redis_user_ids
  key_arn           = module.kms.arns["cache"]
  log_key_arn       = module.kms.arns["logs"]
  log_days          = var.log_days
}

module "events" {
  source = "../events"

  topic     = module.inventory.topic
  consumers = module.inventory.consumers
  key_arn   = module.kms.arns["events"]
}

module "secrets" {
  source = "../secrets"

  names   = module.inventory.secrets
  key_arn = module.kms.arns["secrets"]
}

module "storage" {
  source = "../storage"

  name     = var.name
  buckets  = module.inventory.buckets
  suffix   = var.bucket_suffix
  replica  = var.archive_replica
  key_arn  = module.kms.arns["storage"]
  log_days = var.log_days
}

module "backup" {
  source = "../backup"

  name           = var.name
  resource_arns  = var.is_remote ? [] : [module.postgres.arn]
  copies         = var.has_remote
  copy_vault_arn = var.copy_vault_arn
  key_arn        = module.kms.arns["database"]
}

module "iam" {
  source = "../iam"

  name             = var.name
  bank             = module.inventory.bank
  functions        = module.inventory.functions
  secret_arns      = module.secrets.arns
  key_arns         = module.kms.arns
  topic_arn        = module.events.topic_arn
  queue_arns       = module.events.queue_arns
  dead_letter_arns = module.events.dead_letter_arns
  bucket_arns      = module.storage.bucket_arns
  cluster_name     = module.cluster.name
  operator_arns    = var.operator_arns
}

module "monitoring" {
  source = "../monitoring"

  name               = var.name
  topic              = module.inventory.topic
  queues             = module.events.queue_names
  dead_letter_queues = module.events.dead_letter_names
  redis_nodes        = module.redis.node_ids
  edge               = module.edge.dimensions
  firewall_alert_log = module.network.firewall_alert_log
  cluster_name       = module.cluster.name
  managed_prometheus = var.managed_prometheus
  grafana            = var.grafana
  key_arn            = module.kms.arns["events"]
  log_key_arn        = module.kms.arns["logs"]
  log_days           = var.log_days

  database = {
    id          = module.postgres.id
    connections = module.inventory.connections
    remote      = var.is_remote
  }
}

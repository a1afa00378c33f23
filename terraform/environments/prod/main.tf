# Production: two sites of one city serve at once, as zones of one region, and a third zone votes and serves with them.
# A remote region holds a copy of the data and a small bank, which takes over when the whole region is lost.
provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = { bank = "tidebank", environment = "prod", site = "city" }
  }
}

provider "aws" {
  alias               = "remote"
  region              = var.remote.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = { bank = "tidebank", environment = "prod", site = "remote" }
  }
}

module "bank" {
  source = "../../modules/bank"

  name               = "tidebank"
  cidr               = var.cidr
  zones              = var.zones
  edge_cidrs         = var.edge_cidrs
  operator_cidrs     = var.operator_cidrs
  allowed_domains    = var.allowed_domains
  endpoints_china    = var.endpoints_china
  admin_arns         = var.admin_arns
  operator_arns      = var.operator_arns
  bucket_suffix      = "-${var.account}"
  redis_user_ids     = var.redis_user_ids
  managed_prometheus = var.managed_prometheus
  grafana            = var.grafana
  nodes              = var.nodes
  database_class     = var.database_class
  redis_type         = var.redis_type

  make_autoscaling_role = var.make_autoscaling_role

  database_password         = var.database_password
  database_password_version = var.database_password_version

  has_remote      = true
  archive_replica = module.remote.archive
  copy_vault_arn  = module.remote.vault_arn
}

# The same bank again. Its nodes, database and Redis have the sizes of production, and its number of nodes is small until
# it takes over: the autoscaler adds nodes, and a smaller database could not carry the load.
module "remote" {
  source = "../../modules/bank"

  providers = {
    aws = aws.remote
  }

  name               = "tidebank-remote"
  cidr               = var.remote.cidr
  zones              = var.remote.zones
  edge_cidrs         = var.edge_cidrs
  operator_cidrs     = var.operator_cidrs
  allowed_domains    = var.allowed_domains
  endpoints_china    = var.endpoints_china
  admin_arns         = var.admin_arns
  operator_arns      = var.operator_arns
  bucket_suffix      = "-${var.account}-remote"
  redis_user_ids     = var.redis_user_ids
  managed_prometheus = var.managed_prometheus
  nodes              = merge(var.nodes, { min = var.remote.min_nodes })
  database_class     = var.database_class
  redis_type         = var.redis_type

  # The account has one role for both regions.
  make_autoscaling_role = false
  autoscaling_role_arn  = module.bank.autoscaling_role_arn

  is_remote         = true
  global_cluster_id = module.bank.global_cluster_id
}

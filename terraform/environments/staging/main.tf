# Staging: the shape of production in one region, with less of everything.
provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = { bank = "tidebank", environment = "staging" }
  }
}

module "bank" {
  source = "../../modules/bank"

  name               = "tidebank-staging"
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

  nodes          = { instance_types = ["m7i.large"], min = 1, max = 3 }
  database_class = "db.t4g.large"
  redis_type     = "cache.t4g.small"

  make_autoscaling_role = var.make_autoscaling_role

  database_password         = var.database_password
  database_password_version = var.database_password_version
}

override_resource {
  target = module.bank.module.network.aws_networkfirewall_firewall.this
  values = {
    firewall_status = [{
      transit_gateway_attachment_sync_states = []
      sync_states = [
        { availability_zone = "cn-north-1a", attachment = [{ endpoint_id = "vpce-a", subnet_id = "a" }] },
        { availability_zone = "cn-north-1b", attachment = [{ endpoint_id = "vpce-b", subnet_id = "b" }] },
        { availability_zone = "cn-north-1d", attachment = [{ endpoint_id = "vpce-d", subnet_id = "d" }] },
      ]
    }]
  }
}

variables {
  account         = "111122223333"
  region          = "cn-north-1"
  cidr            = "10.20.0.0/16"
  zones           = ["cn-north-1a", "cn-north-1b", "cn-north-1d"]
  edge_cidrs      = ["203.0.113.0/24"]
  allowed_domains = ["sms.example.com"]
  admin_arns      = ["arn:aws-cn:iam::111122223333:role/cluster-admin"]
  operator_arns   = ["arn:aws-cn:iam::111122223333:role/bank-operator"]
  redis_user_ids  = ["tidebank-app"]

  database_password  = "not-a-real-password"
  managed_prometheus = false
}

run "the_whole_bank" {
  assert {
    condition     = toset(keys(output.bank.role_arns)) == toset([for f in jsondecode(file("../../../infra/aws/inventory.json")).functions : f.name]) && output.bank.region == "cn-north-1"
    error_message = "The processes are not those of the inventory."
  }

  assert {
    condition     = output.bank.global_cluster_id == null
    error_message = "Staging pays for a remote region."
  }
}

run "a_short_account" {
  command = plan

  variables {
    account = "42"
  }

  expect_failures = [var.account]
}

run "zones_of_another_region" {
  command = plan

  variables {
    zones = ["us-east-1a", "us-east-1b", "us-east-1c"]
  }

  expect_failures = [var.zones]
}

run "nobody_operates" {
  command = plan

  variables {
    operator_arns = []
  }

  expect_failures = [var.operator_arns]
}

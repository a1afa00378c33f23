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

override_resource {
  target = module.remote.module.network.aws_networkfirewall_firewall.this
  values = {
    firewall_status = [{
      transit_gateway_attachment_sync_states = []
      sync_states = [
        { availability_zone = "cn-northwest-1a", attachment = [{ endpoint_id = "vpce-a", subnet_id = "a" }] },
        { availability_zone = "cn-northwest-1b", attachment = [{ endpoint_id = "vpce-b", subnet_id = "b" }] },
        { availability_zone = "cn-northwest-1c", attachment = [{ endpoint_id = "vpce-c", subnet_id = "c" }] },
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

  nodes          = { instance_types = ["m7i.2xlarge"], min = 2, max = 12 }
  database_class = "db.r7g.2xlarge"
  redis_type     = "cache.r7g.large"

  remote = {
    region = "cn-northwest-1"
    cidr   = "10.30.0.0/16"
    zones  = ["cn-northwest-1a", "cn-northwest-1b", "cn-northwest-1c"]
  }
}

run "a_remote_region_follows" {
  assert {
    condition = output.bank.region == "cn-north-1" && output.remote.region == "cn-northwest-1" && alltrue([
      for b in [output.bank, output.remote] : toset(keys(b.role_arns)) == toset([for f in jsondecode(file("../../../infra/aws/inventory.json")).functions : f.name])
    ])
    error_message = "A region lacks a process, or both banks are in one region."
  }

  assert {
    condition     = output.bank.connections == jsondecode(file("../../../infra/aws/inventory.json")).connections
    error_message = "The database does not fit the processes."
  }

  assert {
    condition     = output.bank.global_cluster_id != null && output.remote.global_cluster_id == null && output.bank.database.arn != output.remote.database.arn
    error_message = "The remote region has no copy of the database."
  }

  assert {
    condition     = output.bank.copies.database == output.remote.copies.database && output.bank.copies.database == output.bank.global_cluster_id
    error_message = "The databases are not members of one global database."
  }

  assert {
    condition     = length(output.bank.copies.archives) > 0 && output.bank.copies.archives == output.remote.archive.bucket_arns
    error_message = "An archive is not copied to its bucket in the remote region."
  }

  assert {
    condition     = output.bank.copies.snapshots == [output.remote.vault_arn] && output.remote.copies.snapshots == []
    error_message = "Snapshots are not copied to the vault of the remote region."
  }
}

run "the_account_has_one_role_of_autoscaling" {
  assert {
    condition = (
      output.bank.autoscaling_role_arn == output.remote.autoscaling_role_arn &&
      endswith(output.bank.autoscaling_role_arn, ":iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    )
    error_message = "The regions name different roles of Auto Scaling."
  }
}

run "the_remote_region_is_the_same_region" {
  command = plan

  variables {
    remote = {
      region = "cn-north-1"
      cidr   = "10.30.0.0/16"
      zones  = ["cn-north-1a", "cn-north-1b", "cn-north-1d"]
    }
  }

  expect_failures = [var.remote]
}

run "the_networks_are_the_same" {
  command = plan

  variables {
    remote = {
      region = "cn-northwest-1"
      cidr   = "10.20.0.0/16"
      zones  = ["cn-northwest-1a", "cn-northwest-1b", "cn-northwest-1c"]
    }
  }

  expect_failures = [var.remote]
}

run "the_remote_region_has_more_nodes_than_it_may" {
  command = plan

  variables {
    remote = {
      region    = "cn-northwest-1"
      cidr      = "10.21.0.0/16"
      zones     = ["cn-northwest-1a", "cn-northwest-1b", "cn-northwest-1c"]
      min_nodes = 13
    }
  }

  expect_failures = [var.remote]
}

run "one_node_in_a_zone" {
  command = plan

  variables {
    nodes = { instance_types = ["m7i.2xlarge"], min = 1, max = 12 }
  }

  expect_failures = [var.nodes]
}

run "a_database_that_slows_down" {
  command = plan

  variables {
    database_class = "db.t4g.large"
  }

  expect_failures = [var.database_class]
}

run "a_redis_that_slows_down" {
  command = plan

  variables {
    redis_type = "cache.t4g.small"
  }

  expect_failures = [var.redis_type]
}

provider "aws" {
  region = "cn-north-1"
}

variables {
  name                  = "tidebank"
  subnets               = { a = "subnet-a", b = "subnet-b", c = "subnet-c" }
  security_group_id     = "sg-nodes"
  api_security_group_id = "sg-api"
  nodes                 = { instance_types = ["m7i.large"], min = 2, max = 6 }
  admin_arns            = ["arn:aws-cn:iam::111122223333:role/admin"]
  key_arn               = "key/cluster"
  log_key_arn           = "key/logs"
}

run "the_api_is_inside" {
  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].endpoint_private_access
    error_message = "The cluster's API is open to the Internet."
  }

  assert {
    condition     = contains(aws_eks_cluster.this.vpc_config[0].security_group_ids, "sg-api") && !contains(aws_launch_template.node.vpc_security_group_ids, "sg-api")
    error_message = "Operators do not reach the cluster's API, or reach its nodes."
  }

  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == "key/cluster" && contains(aws_eks_cluster.this.encryption_config[0].resources, "secrets")
    error_message = "The cluster's secrets lie in clear."
  }

  assert {
    condition     = toset(aws_eks_cluster.this.enabled_cluster_log_types) == toset(["api", "audit", "authenticator", "controllerManager", "scheduler"])
    error_message = "The control plane does not log everything."
  }

  assert {
    condition     = !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions && keys(aws_eks_access_entry.admin) == ["arn:aws-cn:iam::111122223333:role/admin"]
    error_message = "Others than the named roles administer the cluster."
  }
}

run "each_zone_has_nodes" {
  assert {
    condition = toset(keys(aws_eks_node_group.zone)) == toset(keys(var.subnets)) && alltrue([for z, g in aws_eks_node_group.zone :
      g.subnet_ids == toset([var.subnets[z]]) && g.scaling_config[0].min_size == 2 && g.scaling_config[0].max_size == 6
    ])
    error_message = "A zone has no nodes of its own."
  }
}

run "a_pod_takes_no_rights_of_its_node" {
  assert {
    condition = (
      aws_launch_template.node.metadata_options[0].http_tokens == "required" &&
      aws_launch_template.node.metadata_options[0].http_put_response_hop_limit == 1 &&
      alltrue([for d in aws_launch_template.node.block_device_mappings : tobool(d.ebs[0].encrypted)]) &&
      jsondecode(aws_eks_addon.network.configuration_values).enableNetworkPolicy == "true"
    )
    error_message = "A pod reaches its node's credentials, a disk lies in clear, or network policies do nothing."
  }
}

run "an_old_kubernetes" {
  command = plan

  variables {
    kubernetes_version = "1.29"
  }

  expect_failures = [var.kubernetes_version]
}

run "an_empty_zone" {
  command = plan

  variables {
    nodes = { instance_types = ["m7i.large"], min = 0, max = 3 }
  }

  expect_failures = [var.nodes]
}

run "no_administrator" {
  command = plan

  variables {
    admin_arns = []
  }

  expect_failures = [var.admin_arns]
}

provider "aws" {
  region = "cn-north-1"
}

provider "aws" {
  alias  = "elsewhere"
  region = "eu-central-1"
}

override_resource {
  target = aws_networkfirewall_firewall.this
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
  name            = "tidebank"
  cidr            = "10.20.0.0/16"
  zones           = ["cn-north-1a", "cn-north-1b", "cn-north-1d"]
  edge_cidrs      = ["0.0.0.0/0"]
  allowed_domains = ["sms.example.com"]
  log_key_arn     = "arn:aws:kms:cn-north-1:111122223333:key/logs"
}

run "the_only_way_in_is_443_at_the_edge" {
  assert {
    condition = alltrue([for r in aws_vpc_security_group_ingress_rule.public :
      r.from_port == 443 && r.to_port == 443 && r.ip_protocol == "tcp" && r.security_group_id == aws_security_group.this["edge"].id
    ]) && length(aws_vpc_security_group_ingress_rule.public) == length(var.edge_cidrs)
    error_message = "Another port or another part than the edge is open to the outside."
  }

  assert {
    condition = alltrue([for r in concat(values(aws_vpc_security_group_ingress_rule.call), [aws_vpc_security_group_ingress_rule.nodes]) :
      r.cidr_ipv4 == null && r.cidr_ipv6 == null && r.prefix_list_id == null && r.referenced_security_group_id != null
    ])
    error_message = "A part takes calls from addresses and not from a part of the bank."
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.operators) == 0
    error_message = "Operators have a way in that nobody asked for."
  }

  assert {
    condition     = alltrue([for s in concat(values(aws_subnet.cluster), values(aws_subnet.data), values(aws_subnet.edge), values(aws_subnet.nat), values(aws_subnet.firewall)) : s.map_public_ip_on_launch != true])
    error_message = "A subnet gives public addresses."
  }
}

run "only_nodes_reach_the_stores" {
  assert {
    condition = alltrue([for part in ["database", "cache"] : [
      for r in aws_vpc_security_group_ingress_rule.call : r.referenced_security_group_id if r.security_group_id == aws_security_group.this[part].id
    ] == [aws_security_group.this["nodes"].id]])
    error_message = "Others than the nodes reach a store."
  }

  assert {
    condition = !anytrue([for r in concat(values(aws_vpc_security_group_egress_rule.call), [aws_vpc_security_group_egress_rule.nodes, aws_vpc_security_group_egress_rule.out]) :
      contains([aws_security_group.this["database"].id, aws_security_group.this["cache"].id], r.security_group_id)
    ])
    error_message = "A store calls others."
  }

  assert {
    condition     = alltrue([for r in aws_route_table_association.data : r.route_table_id == aws_route_table.data.id])
    error_message = "A data subnet has a route out."
  }
}

run "operators_reach_the_database_and_the_api_only" {
  variables {
    operator_cidrs = ["10.99.0.0/24", "192.168.7.0/28"]
  }

  assert {
    condition = toset([for r in aws_vpc_security_group_ingress_rule.operators : "${r.cidr_ipv4} ${r.security_group_id} ${r.ip_protocol} ${r.from_port}-${r.to_port}"]) == toset(flatten([
      for c in var.operator_cidrs : ["${c} ${aws_security_group.this["database"].id} tcp 5432-5432", "${c} ${aws_security_group.this["api"].id} tcp 443-443"]
    ]))
    error_message = "Operators do not reach the database or the cluster's API, or reach more."
  }

  assert {
    condition     = toset(output.operator_route_tables) == toset(concat([aws_route_table.data.id], [for t in aws_route_table.cluster : t.id]))
    error_message = "The bank cannot add a route back to its operators."
  }
}

run "operators_from_the_internet" {
  command = plan

  variables {
    operator_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.operator_cidrs]
}

run "operators_from_public_addresses" {
  command = plan

  variables {
    operator_cidrs = ["10.99.0.0/24", "203.0.113.0/24"]
  }

  expect_failures = [var.operator_cidrs]
}

run "operators_from_every_private_address" {
  command = plan

  variables {
    operator_cidrs = ["10.0.0.0/8"]
  }

  expect_failures = [var.operator_cidrs]
}

run "operators_in_the_network_of_the_bank" {
  command = plan

  variables {
    operator_cidrs = ["10.20.128.0/24"]
  }

  expect_failures = [var.operator_cidrs]
}

run "what_leaves_passes_the_firewall_of_its_zone" {
  assert {
    condition = alltrue([for z in var.zones :
      aws_route.cluster_out[z].vpc_endpoint_id == "vpce-${substr(z, -1, 1)}" &&
      aws_route.nat_back[z].vpc_endpoint_id == "vpce-${substr(z, -1, 1)}" &&
      aws_route.nat_back[z].destination_cidr_block == aws_subnet.cluster[z].cidr_block &&
      aws_route.nat_back[z].route_table_id == aws_route_table.nat[z].id &&
      aws_route.nat_out[z].route_table_id == aws_route_table.nat[z].id &&
      aws_route.nat_out[z].gateway_id == aws_internet_gateway.this.id &&
      aws_route_table_association.nat[z].route_table_id == aws_route_table.nat[z].id &&
      aws_route_table_association.nat[z].subnet_id == aws_subnet.nat[z].id &&
      aws_route.firewall_out[z].nat_gateway_id == aws_nat_gateway.this[z].id &&
      aws_nat_gateway.this[z].subnet_id == aws_subnet.nat[z].id
    ])
    error_message = "Traffic of a zone leaves by another zone, or beside the firewall."
  }

  assert {
    condition = (
      aws_networkfirewall_rule_group.allowed.rule_group[0].rules_source[0].rules_source_list[0].generated_rules_type == "ALLOWLIST" &&
      toset(aws_networkfirewall_rule_group.allowed.rule_group[0].rules_source[0].rules_source_list[0].targets) == toset(["sms.example.com"]) &&
      contains(aws_networkfirewall_firewall_policy.this.firewall_policy[0].stateful_default_actions, "aws:drop_established") &&
      contains(aws_networkfirewall_firewall_policy.this.firewall_policy[0].stateful_default_actions, "aws:alert_established")
    )
    error_message = "The firewall lets more through than the allow list, or says nothing about what it refuses."
  }
}

run "calls_of_customers_do_not_pass_the_firewall" {
  assert {
    condition = alltrue([for z in var.zones :
      aws_route_table_association.edge[z].subnet_id == aws_subnet.edge[z].id &&
      aws_route_table_association.edge[z].route_table_id == aws_route_table.edge.id &&
      !contains([for n in aws_nat_gateway.this : n.subnet_id], aws_subnet.edge[z].id)
    ]) && output.subnets.edge == { for z, s in aws_subnet.edge : z => s.id }
    error_message = "The load balancer has another route table than that of the edge, or stands with the ways out."
  }

  assert {
    condition = (
      aws_route.edge_out.route_table_id == aws_route_table.edge.id &&
      aws_route.edge_out.destination_cidr_block == "0.0.0.0/0" &&
      aws_route.edge_out.gateway_id == aws_internet_gateway.this.id &&
      !anytrue([for r in concat(values(aws_route.cluster_out), values(aws_route.firewall_out), values(aws_route.nat_out), values(aws_route.nat_back)) : r.route_table_id == aws_route_table.edge.id])
    )
    error_message = "The edge has a route beside that to the Internet, so calls of customers leave their way."
  }
}

run "subnets_do_not_overlap" {
  assert {
    condition     = length(distinct([for s in concat(values(aws_subnet.cluster), values(aws_subnet.data), values(aws_subnet.edge), values(aws_subnet.nat), values(aws_subnet.firewall)) : s.cidr_block])) == 15 && toset([for s in aws_subnet.cluster : s.cidr_block]) == toset(["10.20.0.0/20", "10.20.16.0/20", "10.20.32.0/20"]) && toset([for s in aws_subnet.data : s.cidr_block]) == toset(["10.20.64.0/24", "10.20.65.0/24", "10.20.66.0/24"]) && toset([for s in aws_subnet.edge : s.cidr_block]) == toset(["10.20.80.0/24", "10.20.81.0/24", "10.20.82.0/24"]) && toset([for s in aws_subnet.firewall : s.cidr_block]) == toset(["10.20.96.0/28", "10.20.96.16/28", "10.20.96.32/28"]) && toset([for s in aws_subnet.nat : s.cidr_block]) == toset(["10.20.97.0/28", "10.20.97.16/28", "10.20.97.32/28"])
    error_message = "The subnets are not those of docs/terraform.md."
  }
}

run "endpoints_serve_this_account_only" {
  assert {
    condition = alltrue([for e in values(aws_vpc_endpoint.service) : alltrue([for s in jsondecode(e.policy).Statement :
      s.Condition.StringEquals["aws:PrincipalAccount"] == "111122223333"
      ]) && e.private_dns_enabled]) && alltrue([for s in jsondecode(aws_vpc_endpoint.s3.policy).Statement :
      try(s.Condition.StringEquals["aws:PrincipalAccount"], "") == "111122223333" ||
      s.Action == "s3:GetObject" && s.Resource == "arn:aws-cn:s3:::prod-cn-north-1-starport-layer-bucket/*"
    ])
    error_message = "Identities of other accounts take data out by an endpoint."
  }
}

run "endpoints_in_china" {
  assert {
    condition = toset([for e in aws_vpc_endpoint.service : e.service_name if startswith(e.service_name, "cn.com.amazonaws.cn-north-1.")]) == toset([
      for s in ["autoscaling", "ec2", "ecr.api", "ecr.dkr", "eks", "monitoring", "sqs", "sts"] : "cn.com.amazonaws.cn-north-1.${s}"
      ]) && toset([for e in aws_vpc_endpoint.service : e.service_name if startswith(e.service_name, "com.amazonaws.cn-north-1.")]) == toset([
      for s in ["aps-workspaces", "eks-auth", "elasticloadbalancing", "kms", "logs", "secretsmanager", "sns"] : "com.amazonaws.cn-north-1.${s}"
    ]) && length(aws_vpc_endpoint.service) == 15
    error_message = "An endpoint in China has another name than AWS gives it."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.service_name == "com.amazonaws.cn-north-1.s3"
    error_message = "The endpoint of S3 has another name than AWS gives it."
  }
}

run "endpoints_in_china_that_the_bank_names" {
  variables {
    endpoints_china = ["kms"]
  }

  assert {
    condition     = [for e in aws_vpc_endpoint.service : e.service_name if startswith(e.service_name, "cn.")] == ["cn.com.amazonaws.cn-north-1.kms"]
    error_message = "The bank's own list does not count."
  }
}

run "endpoints_elsewhere" {
  providers = {
    aws = aws.elsewhere
  }

  assert {
    condition = alltrue([for name, e in merge(aws_vpc_endpoint.service, { s3 = aws_vpc_endpoint.s3 }) :
      e.service_name == "com.amazonaws.eu-central-1.${name}"
    ])
    error_message = "An endpoint outside of China has a name of China."
  }
}

run "two_zones" {
  command = plan

  variables {
    zones = ["cn-north-1a", "cn-north-1b"]
  }

  expect_failures = [var.zones]
}

run "a_small_network" {
  command = plan

  variables {
    cidr = "10.20.0.0/20"
  }

  expect_failures = [var.cidr]
}

run "a_public_network" {
  command = plan

  variables {
    cidr = "52.20.0.0/16"
  }

  expect_failures = [var.cidr]
}

run "every_name_outside" {
  command = plan

  variables {
    allowed_domains = ["*"]
  }

  expect_failures = [var.allowed_domains]
}

run "logs_for_a_month" {
  command = plan

  variables {
    log_days = 30
  }

  expect_failures = [var.log_days]
}

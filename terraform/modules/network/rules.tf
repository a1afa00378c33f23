# Who may call whom. The only way in from the Internet is the edge's port 443. The bank's operators reach the database and
# the cluster's API from their private networks. Nothing else reaches the stores but the cluster's nodes, and the stores
# reach nothing.
locals {
  anywhere = "0.0.0.0/0"

  groups = {
    edge      = "Load balancer of the edge"
    nodes     = "Nodes of the cluster and their pods"
    api       = "API of the cluster, for operators"
    database  = "PostgreSQL"
    cache     = "Redis"
    endpoints = "Endpoints of AWS services inside the network"
  }

  # What operators call: the database for migrations, roles and passwords, and the API for infra/knative.
  operators = { for p in setproduct(["api", "database"], var.operator_cidrs) : "${p[0]} ${p[1]}" => { to = p[0], from = p[1] } }

  # Each pair of a caller and what it calls makes two rules, one on each side.
  calls = {
    edge-gateway    = { from = "edge", to = "nodes", port = var.gateway_port }
    nodes-database  = { from = "nodes", to = "database", port = 5432 }
    nodes-cache     = { from = "nodes", to = "cache", port = 6379 }
    nodes-endpoints = { from = "nodes", to = "endpoints", port = 443 }
  }
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:other modules attach the groups, which checkov does not follow
  for_each = local.groups

  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "public" {
  for_each = toset(var.edge_cidrs)

  security_group_id = aws_security_group.this["edge"].id
  description       = "Apps of customers"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "operators" {
  for_each = local.operators

  security_group_id = aws_security_group.this[each.value.to].id
  description       = "Operators of the bank"
  cidr_ipv4         = each.value.from
  ip_protocol       = "tcp"
  from_port         = each.value.to == "database" ? 5432 : 443
  to_port           = each.value.to == "database" ? 5432 : 443
}

resource "aws_vpc_security_group_ingress_rule" "call" {
  for_each = local.calls

  security_group_id            = aws_security_group.this[each.value.to].id
  description                  = "From ${each.value.from}"
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "call" {
  for_each = local.calls

  security_group_id            = aws_security_group.this[each.value.from].id
  description                  = "To ${each.value.to}"
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

# Inside the cluster the network policies of infra/knative decide, pod by pod.
resource "aws_vpc_security_group_ingress_rule" "nodes" {
  security_group_id            = aws_security_group.this["nodes"].id
  description                  = "Between nodes"
  referenced_security_group_id = aws_security_group.this["nodes"].id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "nodes" {
  security_group_id            = aws_security_group.this["nodes"].id
  description                  = "Between nodes"
  referenced_security_group_id = aws_security_group.this["nodes"].id
  ip_protocol                  = "-1"
}

# The firewall lets only names of the allow list through.
resource "aws_vpc_security_group_egress_rule" "out" {
  security_group_id = aws_security_group.this["nodes"].id
  description       = "To names of the allow list, by the firewall"
  cidr_ipv4         = local.anywhere
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# The network of one region: three zones, each with subnets for the edge, the ways out, the firewall, the cluster and the
# data. What leaves the network passes the firewall of its zone, which lets only names of the allow list through. Calls of
# customers do not: the load balancer sends them straight to the cluster. Data subnets have no way out at all. Every security rule of the bank stands in rules.tf.
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  region = data.aws_region.current.region
  zones  = { for i, z in var.zones : z => i }
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Nothing uses the group that AWS makes; so it lets nothing through.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "cluster" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 4, each.value)

  tags = { Name = "${var.name}-cluster-${each.key}", "kubernetes.io/role/internal-elb" = "1" }
}

resource "aws_subnet" "data" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 8, 64 + each.value)

  tags = { Name = "${var.name}-data-${each.key}" }
}

resource "aws_subnet" "edge" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 8, 80 + each.value)

  tags = { Name = "${var.name}-edge-${each.key}" }
}

# The NAT gateways stand apart from the load balancer, because their route table sends what is for the cluster to the
# firewall. The firewall lets nothing in that a process did not ask for.
resource "aws_subnet" "nat" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 12, 1552 + each.value)

  tags = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_subnet" "firewall" {
  for_each = local.zones

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 12, 1536 + each.value)

  tags = { Name = "${var.name}-firewall-${each.key}" }
}

resource "aws_eip" "nat" {
  for_each = local.zones

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }
}

# One way out in each zone: the loss of a zone leaves the others theirs.
resource "aws_nat_gateway" "this" {
  for_each = local.zones

  allocation_id = aws_eip.nat[each.key].id
  subnet_id     = aws_subnet.nat[each.key].id

  tags = { Name = "${var.name}-${each.key}" }

  depends_on = [aws_internet_gateway.this]
}

# ---- Routes: cluster -> firewall -> NAT gateway -> Internet, and the same way back. Internet -> edge -> cluster, and the
# same way back. Data: nowhere.

resource "aws_route_table" "cluster" {
  for_each = local.zones

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-cluster-${each.key}" }
}

resource "aws_route" "cluster_out" {
  for_each = local.zones

  route_table_id         = aws_route_table.cluster[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  vpc_endpoint_id        = local.firewall_endpoints[each.key]
}

resource "aws_route_table_association" "cluster" {
  for_each = local.zones

  route_table_id = aws_route_table.cluster[each.key].id
  subnet_id      = aws_subnet.cluster[each.key].id
}

resource "aws_route_table" "firewall" {
  for_each = local.zones

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-firewall-${each.key}" }
}

resource "aws_route" "firewall_out" {
  for_each = local.zones

  route_table_id         = aws_route_table.firewall[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[each.key].id
}

resource "aws_route_table_association" "firewall" {
  for_each = local.zones

  route_table_id = aws_route_table.firewall[each.key].id
  subnet_id      = aws_subnet.firewall[each.key].id
}

resource "aws_route_table" "nat" {
  for_each = local.zones

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_route" "nat_out" {
  for_each = local.zones

  route_table_id         = aws_route_table.nat[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

# Answers from the Internet come back through the same firewall, which knows the connection.
resource "aws_route" "nat_back" {
  for_each = local.zones

  route_table_id         = aws_route_table.nat[each.key].id
  destination_cidr_block = aws_subnet.cluster[each.key].cidr_block
  vpc_endpoint_id        = local.firewall_endpoints[each.key]
}

resource "aws_route_table_association" "nat" {
  for_each = local.zones

  route_table_id = aws_route_table.nat[each.key].id
  subnet_id      = aws_subnet.nat[each.key].id
}

# Beside this route the table has only the network's own, by which the load balancer reaches the cluster in all zones.
resource "aws_route_table" "edge" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-edge" }
}

resource "aws_route" "edge_out" {
  route_table_id         = aws_route_table.edge.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "edge" {
  for_each = local.zones

  route_table_id = aws_route_table.edge.id
  subnet_id      = aws_subnet.edge[each.key].id
}

resource "aws_route_table" "data" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-data" }
}

resource "aws_route_table_association" "data" {
  for_each = local.zones

  route_table_id = aws_route_table.data.id
  subnet_id      = aws_subnet.data[each.key].id
}

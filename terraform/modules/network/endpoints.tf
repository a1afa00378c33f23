# AWS services are reached inside the network, never over the Internet, and only with identities of this account.
locals {
  # ecr and eks for the nodes, the others for the bank's processes and the logs.
  services = toset(concat([
    "autoscaling", "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "kms", "logs", "monitoring",
    "secretsmanager", "sns", "sqs", "sts",
  ], var.managed_prometheus ? ["aps-workspaces"] : []))

  # AWS names the endpoints of some services in China otherwise, and those of the rest as everywhere. Its own list:
  # aws ec2 describe-vpc-endpoint-services. The gateway endpoint of S3 is named as everywhere.
  endpoints_china = coalesce(var.endpoints_china, toset(startswith(local.region, "cn-") ? [
    "autoscaling", "ec2", "ecr.api", "ecr.dkr", "eks", "monitoring", "sqs", "sts",
  ] : []))

  own_identities = {
    Sid       = "IdentitiesOfThisAccount"
    Effect    = "Allow"
    Principal = "*"
    Action    = "*"
    Resource  = "*"
    Condition = { StringEquals = { "aws:PrincipalAccount" = data.aws_caller_identity.current.account_id } }
  }

  # Nodes pull the layers of images from a bucket of ECR, by addresses that ECR signs.
  image_layers = {
    Sid       = "LayersOfImages"
    Effect    = "Allow"
    Principal = "*"
    Action    = "s3:GetObject"
    Resource  = "arn:${data.aws_partition.current.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"
  }
}

resource "aws_vpc_endpoint" "service" {
  for_each = local.services

  vpc_id              = aws_vpc.this.id
  service_name        = "${contains(local.endpoints_china, each.key) ? "cn." : ""}com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for s in aws_subnet.cluster : s.id]
  security_group_ids  = [aws_security_group.this["endpoints"].id]
  policy              = jsonencode({ Version = "2012-10-17", Statement = [local.own_identities] })

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for t in aws_route_table.cluster : t.id]
  policy            = jsonencode({ Version = "2012-10-17", Statement = [local.own_identities, local.image_layers] })

  tags = { Name = "${var.name}-s3" }
}

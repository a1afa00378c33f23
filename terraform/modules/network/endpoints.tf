# AWS services are reached inside the network, never over the Internet, and only with identities of this account.
locals {
  # ecr and eks for the nodes, the others for the bank's processes and the logs.
  services = toset(concat([
    "autoscaling", "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "elasticloadbalancing", "kms", "logs", "monitoring",
    "secretsmanager", "sns", "sqs", "sts",
  ], var.managed_prometheus ? ["aps-workspaces"] : []))

  # Nodes pull images from a bucket of ECR, which is in an account of AWS. So the gateway of S3 restricts the caller and
  # not the bucket.
  own_identities = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_vpc_endpoint" "service" {
  for_each = local.services

  vpc_id              = aws_vpc.this.id
  service_name        = "${var.endpoint_prefix}.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for s in aws_subnet.cluster : s.id]
  security_group_ids  = [aws_security_group.this["endpoints"].id]
  policy              = local.own_identities

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "${var.endpoint_prefix}.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [for t in aws_route_table.cluster : t.id]

  tags = { Name = "${var.name}-s3" }
}

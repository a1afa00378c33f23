# Kubernetes for Knative, which infra/knative applies. The API is reached inside the network only. Each zone has a node
# group of its own, so that the autoscaler never leaves a zone empty: both sites of the city serve at any time.
data "aws_partition" "current" {}

locals {
  policies = "arn:${data.aws_partition.current.partition}:iam::aws:policy"
}

resource "aws_cloudwatch_log_group" "cluster" {
  # EKS writes to this name, and to no other.
  name              = "/aws/eks/${var.name}/cluster"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_iam_role" "cluster" {
  name        = "${var.name}-cluster"
  path        = "/${var.name}/service/"
  description = "Control plane of the cluster"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "eks.amazonaws.com" }, Action = ["sts:AssumeRole", "sts:TagSession"] }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "${local.policies}/AmazonEKSClusterPolicy"
}

resource "aws_eks_cluster" "this" {
  name                          = var.name
  role_arn                      = aws_iam_role.cluster.arn
  version                       = var.kubernetes_version
  enabled_cluster_log_types     = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
  bootstrap_self_managed_addons = false
  deletion_protection           = true

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = false
  }

  encryption_config {
    resources = ["secrets"]

    provider {
      key_arn = var.key_arn
    }
  }

  upgrade_policy {
    support_type = "STANDARD"
  }

  vpc_config {
    subnet_ids              = values(var.subnets)
    security_group_ids      = [var.security_group_id, var.api_security_group_id]
    endpoint_private_access = true
    endpoint_public_access  = false
  }

  zonal_shift_config {
    enabled = true
  }

  depends_on = [aws_cloudwatch_log_group.cluster, aws_iam_role_policy_attachment.cluster]
}

# ---- Nodes

resource "aws_iam_role" "node" {
  name        = "${var.name}-node"
  path        = "/${var.name}/service/"
  description = "Nodes of the cluster; the bank's processes have roles of their own"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.${data.aws_partition.current.dns_suffix}" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "node" {
  for_each = toset(["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy"])

  role       = aws_iam_role.node.name
  policy_arn = "${local.policies}/${each.key}"
}

resource "aws_launch_template" "node" {
  name                   = "${var.name}-node"
  update_default_version = true
  vpc_security_group_ids = [var.security_group_id, aws_eks_cluster.this.vpc_config[0].cluster_security_group_id]

  # One hop: a pod on its own network does not reach the node's credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  # Bottlerocket: its own system, and what containers write.
  dynamic "block_device_mappings" {
    for_each = { "/dev/xvda" = 4, "/dev/xvdb" = 50 }

    content {
      device_name = block_device_mappings.key

      ebs {
        volume_type           = "gp3"
        volume_size           = block_device_mappings.value
        encrypted             = true
        kms_key_id            = var.key_arn
        delete_on_termination = true
      }
    }
  }

  monitoring {
    enabled = true
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-node" }
  }
}

resource "aws_eks_node_group" "zone" {
  for_each = var.subnets

  cluster_name    = aws_eks_cluster.this.name
  node_group_name = each.key
  node_role_arn   = aws_iam_role.node.arn
  subnet_ids      = [each.value]
  ami_type        = var.nodes.ami_type
  instance_types  = var.nodes.instance_types
  version         = var.kubernetes_version

  scaling_config {
    min_size     = var.nodes.min
    desired_size = var.nodes.min
    max_size     = var.nodes.max
  }

  launch_template {
    id      = aws_launch_template.node.id
    version = aws_launch_template.node.latest_version
  }

  update_config {
    max_unavailable = 1
  }

  node_repair_config {
    enabled = true
  }

  depends_on = [aws_iam_role_policy_attachment.node, aws_eks_addon.network]

  # The autoscaler changes the number.
  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }
}

# ---- Parts of the cluster that EKS keeps

# With network policies: what infra/knative denies is denied.
resource "aws_eks_addon" "network" {
  cluster_name         = aws_eks_cluster.this.name
  addon_name           = "vpc-cni"
  configuration_values = jsonencode({ enableNetworkPolicy = "true" })
}

resource "aws_eks_addon" "proxy" {
  cluster_name = aws_eks_cluster.this.name
  addon_name   = "kube-proxy"
}

# Gives each pod the role of its service account (module iam).
resource "aws_eks_addon" "identity" {
  cluster_name = aws_eks_cluster.this.name
  addon_name   = "eks-pod-identity-agent"
}

resource "aws_eks_addon" "dns" {
  cluster_name = aws_eks_cluster.this.name
  addon_name   = "coredns"

  # Its pods need nodes.
  depends_on = [aws_eks_node_group.zone]
}

# ---- Who may administer the cluster

resource "aws_eks_access_entry" "admin" {
  for_each = toset(var.admin_arns)

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.key
}

resource "aws_eks_access_policy_association" "admin" {
  for_each = toset(var.admin_arns)

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.admin[each.key].principal_arn
  policy_arn    = "arn:${data.aws_partition.current.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}

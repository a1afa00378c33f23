# The rules, dashboards and routes are those of infra/monitoring, which promtool and Alertmanager have judged. Of the rules
# about one platform's parts, those of AWS.
locals {
  folder    = "${path.module}/../../../infra/monitoring"
  rules     = var.managed_prometheus ? fileset("${local.folder}/rules", "{*.yml,aws/*.yml}") : toset([])
  routes    = yamldecode(file("${local.folder}/alertmanager.yml"))
  workspace = one(aws_prometheus_workspace.this[*].id)
}

resource "aws_cloudwatch_log_group" "prometheus" {
  count = var.managed_prometheus ? 1 : 0

  name              = "/${var.name}/prometheus"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_prometheus_workspace" "this" {
  count = var.managed_prometheus ? 1 : 0

  alias       = var.name
  kms_key_arn = var.log_key_arn

  logging_configuration {
    log_group_arn = "${aws_cloudwatch_log_group.prometheus[0].arn}:*"
  }
}

resource "aws_prometheus_rule_group_namespace" "this" {
  for_each = local.rules

  workspace_id = local.workspace
  name         = replace(trimsuffix(each.key, ".yml"), "/", "-")
  data         = file("${local.folder}/rules/${each.key}")
}

# The same routes; the receivers of the managed service are SNS topics and not webhooks.
resource "aws_prometheus_alert_manager_definition" "this" {
  count = var.managed_prometheus ? 1 : 0

  workspace_id = local.workspace

  definition = yamlencode({
    alertmanager_config = yamlencode(merge(local.routes, {
      receivers = [for r in local.routes.receivers : {
        name = r.name
        sns_configs = [{
          topic_arn  = aws_sns_topic.alarms.arn
          sigv4      = { region = data.aws_region.current.region }
          attributes = { receiver = r.name }
        }]
      }]
    }))
  })
}

# A Prometheus agent in the cluster writes to the workspace, by the role of its service account.
resource "aws_iam_role" "agent" {
  count = var.managed_prometheus ? 1 : 0

  name        = "${var.name}-prometheus-agent"
  path        = "/${var.name}/service/"
  description = "Writes the bank's metrics"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Condition = { StringEquals = {
        "aws:RequestTag/eks-cluster-name"           = var.cluster_name
        "aws:RequestTag/kubernetes-namespace"       = "monitoring"
        "aws:RequestTag/kubernetes-service-account" = "prometheus-agent"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "agent" {
  count = var.managed_prometheus ? 1 : 0

  name = "write-metrics"
  role = aws_iam_role.agent[0].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "aps:RemoteWrite", Resource = aws_prometheus_workspace.this[0].arn }]
  })
}

resource "aws_eks_pod_identity_association" "agent" {
  count = var.managed_prometheus ? 1 : 0

  cluster_name    = var.cluster_name
  namespace       = "monitoring"
  service_account = "prometheus-agent"
  role_arn        = aws_iam_role.agent[0].arn
}

# ---- Grafana, for people of the bank who log in by its identity centre

resource "aws_iam_role" "grafana" {
  count = var.grafana ? 1 : 0

  name        = "${var.name}-grafana"
  path        = "/${var.name}/service/"
  description = "Grafana reads metrics"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "grafana.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "grafana" {
  count = var.grafana ? 1 : 0

  name = "read-metrics"
  role = aws_iam_role.grafana[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["aps:QueryMetrics", "aps:GetLabels", "aps:GetSeries", "aps:GetMetricMetadata"]
      Resource = aws_prometheus_workspace.this[0].arn
    }]
  })
}

resource "aws_grafana_workspace" "this" {
  count = var.grafana ? 1 : 0

  name                     = var.name
  account_access_type      = "CURRENT_ACCOUNT"
  authentication_providers = ["AWS_SSO"]
  permission_type          = "CUSTOMER_MANAGED"
  data_sources             = ["PROMETHEUS"]
  role_arn                 = aws_iam_role.grafana[0].arn
}

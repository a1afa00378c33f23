# The firewall drops and reports each connection to a name that is not on the allow list.
resource "aws_networkfirewall_rule_group" "allowed" {
  name     = "${var.name}-allowed"
  type     = "STATEFUL"
  capacity = 100

  rule_group {
    rules_source {
      rules_source_list {
        generated_rules_type = "ALLOWLIST"
        target_types         = ["TLS_SNI"]
        targets              = var.allowed_domains
      }
    }

    stateful_rule_options {
      rule_order = "STRICT_ORDER"
    }
  }

  encryption_configuration {
    key_id = var.log_key_arn
    type   = "CUSTOMER_KMS"
  }
}

resource "aws_networkfirewall_firewall_policy" "this" {
  name = var.name

  firewall_policy {
    stateless_default_actions          = ["aws:forward_to_sfe"]
    stateless_fragment_default_actions = ["aws:drop"]
    stateful_default_actions           = ["aws:drop_established", "aws:alert_established"]

    stateful_engine_options {
      rule_order              = "STRICT_ORDER"
      stream_exception_policy = "REJECT"
    }

    stateful_rule_group_reference {
      priority     = 1
      resource_arn = aws_networkfirewall_rule_group.allowed.arn
    }
  }

  encryption_configuration {
    key_id = var.log_key_arn
    type   = "CUSTOMER_KMS"
  }
}

resource "aws_networkfirewall_firewall" "this" {
  name                              = var.name
  vpc_id                            = aws_vpc.this.id
  firewall_policy_arn               = aws_networkfirewall_firewall_policy.this.arn
  delete_protection                 = true
  subnet_change_protection          = true
  firewall_policy_change_protection = true

  dynamic "subnet_mapping" {
    for_each = aws_subnet.firewall

    content {
      subnet_id = subnet_mapping.value.id
    }
  }

  encryption_configuration {
    key_id = var.log_key_arn
    type   = "CUSTOMER_KMS"
  }
}

locals {
  # The firewall says in which zone each of its endpoints is.
  firewall_endpoints = {
    for state in aws_networkfirewall_firewall.this.firewall_status[0].sync_states :
    state.availability_zone => state.attachment[0].endpoint_id
  }
}

resource "aws_networkfirewall_logging_configuration" "this" {
  firewall_arn = aws_networkfirewall_firewall.this.arn

  logging_configuration {
    dynamic "log_destination_config" {
      for_each = { ALERT = aws_cloudwatch_log_group.network["firewall-alerts"], FLOW = aws_cloudwatch_log_group.network["firewall-flows"] }

      content {
        log_destination      = { logGroup = log_destination_config.value.name }
        log_destination_type = "CloudWatchLogs"
        log_type             = log_destination_config.key
      }
    }
  }
}

# ---- Logs of the network: every connection, and what the firewall refused.

resource "aws_cloudwatch_log_group" "network" {
  for_each = toset(["flows", "firewall-alerts", "firewall-flows"])

  name              = "/${var.name}/network/${each.key}"
  retention_in_days = var.log_days
  kms_key_id        = var.log_key_arn
}

resource "aws_iam_role" "flows" {
  name        = "${var.name}-flow-logs"
  path        = "/${var.name}/service/"
  description = "VPC writes the log of connections"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "vpc-flow-logs.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "flows" {
  name = "write-the-log"
  role = aws_iam_role.flows.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
      Resource = "${aws_cloudwatch_log_group.network["flows"].arn}:*"
    }]
  })
}

resource "aws_flow_log" "this" {
  vpc_id                   = aws_vpc.this.id
  traffic_type             = "ALL"
  log_destination_type     = "cloud-watch-logs"
  log_destination          = aws_cloudwatch_log_group.network["flows"].arn
  iam_role_arn             = aws_iam_role.flows.arn
  max_aggregation_interval = 60
}

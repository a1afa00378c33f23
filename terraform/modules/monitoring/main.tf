# Alarms of what AWS measures, and a managed Prometheus with the bank's own rules (infra/monitoring). Both tell the same
# topic; the bank subscribes its duty to it.
data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "aps.amazonaws.com"] }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      }, {
      Sid       = "OnlyOverTLS"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

locals {
  dead_letters = { for name, queue in var.dead_letter_queues : "${name}-dead-letters" => {
    about = "${name} has refused an event, or failed to take it twelve times (docs/aws.md, dead letters)"
    space = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum", over = 0, minutes = 1
    of    = { QueueName = queue }
  } }

  late = { for name, queue in var.queues : "${name}-late" => {
    about = "${name} is five minutes behind"
    space = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", stat = "Maximum", over = 300, minutes = 3
    of    = { QueueName = queue }
  } }

  database = var.database == null ? {} : {
    database-cpu = {
      about = "An instance of the database is busy"
      space = "AWS/RDS", metric = "CPUUtilization", stat = "Average", over = 70, minutes = 10
      of    = { DBClusterIdentifier = var.database.id }
    }
    database-connections = {
      about = "Processes have opened more connections than the inventory allows them"
      space = "AWS/RDS", metric = "DatabaseConnections", stat = "Maximum", over = var.database.connections, minutes = 3
      of    = { DBClusterIdentifier = var.database.id }
    }
    database-replica-lag = {
      about = "An instance that would take over is behind (milliseconds)"
      space = "AWS/RDS", metric = "AuroraReplicaLagMaximum", stat = "Maximum", over = 1000, minutes = 5
      of    = { DBClusterIdentifier = var.database.id }
    }
  }

  remote = try(var.database.remote, false) ? {
    database-remote-lag = {
      about = "The remote region is a minute behind (milliseconds): a loss of this region now would lose that minute"
      space = "AWS/RDS", metric = "AuroraGlobalDBProgressLag", stat = "Maximum", over = 60000, minutes = 3
      of    = { DBClusterIdentifier = var.database.id }
    }
  } : {}

  redis = merge([for zone, node in var.redis_nodes : {
    "redis-memory-${zone}" = {
      about = "Redis refuses writes when its memory is full"
      space = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage", stat = "Maximum", over = 75, minutes = 5
      of    = { CacheClusterId = node }
    }
    "redis-cpu-${zone}" = {
      about = "Redis is busy"
      space = "AWS/ElastiCache", metric = "EngineCPUUtilization", stat = "Average", over = 70, minutes = 10
      of    = { CacheClusterId = node }
    }
  }]...)

  edge = var.edge == null ? {} : {
    edge-targets = {
      about = "Gateways do not answer the load balancer"
      space = "AWS/NetworkELB", metric = "UnHealthyHostCount", stat = "Maximum", over = 0, minutes = 2
      of    = var.edge
    }
  }

  firewall = var.firewall_alert_log == null ? {} : {
    egress-refused = {
      about = "A process called a name that is not on the allow list; the firewall's log has process, address and time"
      space = local.metrics, metric = "EgressRefused", stat = "Sum", over = 0, minutes = 1
      of    = {}
    }
  }

  events = {
    events-undelivered = {
      about = "SNS could not put an event into a queue"
      space = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", over = 0, minutes = 1
      of    = { TopicName = var.topic }
    }
  }

  metrics = "Tidebank/${var.name}"
  alarms = merge(
    local.dead_letters, local.late, local.events, local.database, local.remote, local.redis, local.edge, local.firewall,
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.about
  namespace           = each.value.space
  metric_name         = each.value.metric
  dimensions          = each.value.of
  statistic           = each.value.stat
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.over
  period              = 60
  evaluation_periods  = each.value.minutes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_log_metric_filter" "egress" {
  count = var.firewall_alert_log == null ? 0 : 1

  name           = "${var.name}-egress-refused"
  log_group_name = var.firewall_alert_log
  pattern        = "{ $.event.alert.action = \"blocked\" }"

  metric_transformation {
    namespace     = local.metrics
    name          = "EgressRefused"
    value         = "1"
    default_value = "0"
  }
}

provider "aws" {
  region = "cn-north-1"
}

run "inventory" {
  module {
    source = "../inventory"
  }
}

variables {
  name               = "tidebank"
  topic              = "tidebank-events"
  queues             = {}
  dead_letter_queues = {}
  cluster_name       = "tidebank"
  redis_nodes        = { a = "tidebank-001", b = "tidebank-002" }
  edge               = { LoadBalancer = "net/tidebank/1", TargetGroup = "targetgroup/tidebank/1" }
  firewall_alert_log = "/tidebank/network/firewall-alerts"
  database           = { id = "tidebank", connections = 500, remote = true }
  key_arn            = "key/events"
  log_key_arn        = "key/logs"
}

run "each_consumer_is_watched" {
  variables {
    queues             = { for c in run.inventory.consumers : c.name => c.queue }
    dead_letter_queues = { for c in run.inventory.consumers : c.name => c.dead_letter_queue }
  }

  assert {
    condition = alltrue([for c in jsondecode(file("../../../infra/aws/inventory.json")).consumers :
      aws_cloudwatch_metric_alarm.this["${c.name}-dead-letters"].dimensions.QueueName == c.dead_letter_queue &&
      aws_cloudwatch_metric_alarm.this["${c.name}-dead-letters"].threshold == 0 &&
      aws_cloudwatch_metric_alarm.this["${c.name}-late"].dimensions.QueueName == c.queue
    ])
    error_message = "A consumer's dead letters or its delay raise no alarm."
  }
}

run "each_part_is_watched" {
  assert {
    condition = length(setsubtract([
      "database-cpu", "database-connections", "database-replica-lag", "database-remote-lag", "redis-memory-a", "redis-memory-b",
      "redis-cpu-a", "redis-cpu-b", "edge-targets", "egress-refused", "events-undelivered",
    ], keys(aws_cloudwatch_metric_alarm.this))) == 0
    error_message = "A part has no alarm."
  }

  assert {
    condition     = alltrue([for a in aws_cloudwatch_metric_alarm.this : a.alarm_actions == toset([aws_sns_topic.alarms.arn])])
    error_message = "An alarm tells nobody."
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.egress[0].metric_transformation[0].namespace == aws_cloudwatch_metric_alarm.this["egress-refused"].namespace
    error_message = "The alarm of refused calls watches another metric."
  }
}

run "the_rules_of_infra_monitoring" {
  assert {
    condition     = toset(keys(aws_prometheus_rule_group_namespace.this)) == toset(["alerts.yml", "aws/alerts.yml", "recording.yml"]) && length(yamldecode(aws_prometheus_rule_group_namespace.this["alerts.yml"].data).groups) > 0
    error_message = "The managed Prometheus does not have the bank's rules, or has those of another platform."
  }

  assert {
    condition     = aws_prometheus_rule_group_namespace.this["aws/alerts.yml"].name == "aws-alerts"
    error_message = "The namespace of a platform's rules has a name that AWS refuses."
  }

  assert {
    condition = alltrue([for r in yamldecode(yamldecode(aws_prometheus_alert_manager_definition.this[0].definition).alertmanager_config).receivers :
      one(r.sns_configs).topic_arn == aws_sns_topic.alarms.arn && !can(r.webhook_configs)
    ]) && yamldecode(yamldecode(aws_prometheus_alert_manager_definition.this[0].definition).alertmanager_config).route.receiver == "tickets"
    error_message = "An alert of the managed Prometheus tells nobody, or takes another route."
  }
}

run "a_region_without_prometheus" {
  variables {
    managed_prometheus = false
    cluster_name       = null
  }

  assert {
    condition     = length(aws_prometheus_workspace.this) == 0 && length(aws_prometheus_rule_group_namespace.this) == 0
    error_message = "A region without the managed Prometheus gets one."
  }
}

run "a_queue_without_dead_letters" {
  command = plan

  variables {
    queues = { c = "q" }
  }

  expect_failures = [var.dead_letter_queues]
}

run "prometheus_without_a_cluster" {
  command = plan

  variables {
    cluster_name = null
  }

  expect_failures = [var.managed_prometheus]
}

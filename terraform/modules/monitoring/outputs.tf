output "alarm_topic_arn" {
  description = "Topic of all alarms: subscribe the bank's duty to it."
  value       = aws_sns_topic.alarms.arn
}

output "alarms" {
  description = "Names of the alarms."
  value       = sort(keys(local.alarms))
}

output "remote_write_url" {
  description = "Where the Prometheus agent writes; null without the managed Prometheus."
  value       = one([for w in aws_prometheus_workspace.this : "${w.prometheus_endpoint}api/v1/remote_write"])
}

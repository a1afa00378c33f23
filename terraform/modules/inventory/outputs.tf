output "bank" {
  description = "Name of the bank in the encryption context of its key files."
  value       = local.list.bank
}

output "topic" {
  description = "Name of the SNS topic that takes every event."
  value       = local.list.topic
}

output "functions" {
  description = "Functions and workers, with what the role of each may use."
  value       = local.list.functions
}

output "consumers" {
  description = "Event functions, with their queues and filter policies."
  value       = local.list.consumers
}

output "buckets" {
  description = "Buckets with object lock."
  value       = local.list.buckets
}

output "secrets" {
  description = "Names of the secrets."
  value       = local.list.secrets
}

output "connections" {
  description = "Connections to PostgreSQL that all processes open at most: at their greatest scale, during a deployment."
  value       = local.list.connections
}

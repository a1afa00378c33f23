output "region" {
  description = "Region of this bank."
  value       = data.aws_region.current.region
}

output "connections" {
  description = "What the database serves: connections that all processes open at most."
  value       = module.inventory.connections
}

output "edge" {
  description = "The bank's door: name for its domain, and target group for the cluster's controller."
  value       = { dns_name = module.edge.dns_name, target_group_arn = module.edge.target_group_arn }
}

output "network" {
  description = "Network, and route tables that need a route back to the bank's operators."
  value       = { vpc_id = module.network.vpc_id, operator_route_tables = module.network.operator_route_tables }
}

output "cluster_name" {
  description = "Cluster for infra/knative."
  value       = module.cluster.name
}

output "database" {
  description = "Database: address for the secrets, and the global database for a remote region."
  value       = { endpoint = module.postgres.endpoint, arn = module.postgres.arn }
}

output "global_cluster_id" {
  description = "Global database that a remote region follows; null without one."
  value       = module.postgres.global_cluster_id
}

output "redis_endpoint" {
  description = "Address of Redis for the secret tidebank-redis-url."
  value       = module.redis.endpoint
}

output "events" {
  description = "Topic and queues."
  value       = { topic_arn = module.events.topic_arn, queue_arns = module.events.queue_arns, dead_letter_arns = module.events.dead_letter_arns }
}

output "archive" {
  description = "Archives and their key, for the copy of another region."
  value       = { bucket_arns = module.storage.bucket_arns, key_arn = module.kms.arns["storage"] }
}

output "archive_names" {
  description = "Whole name of each archive, for --bucket."
  value       = module.storage.bucket_names
}

output "vault_arn" {
  description = "Vault of snapshots."
  value       = module.backup.vault_arn
}

output "key_file_key_arn" {
  description = "KMS key for tide keys seal --kms-key."
  value       = module.kms.arns["keys"]
}

output "autoscaling_role_arn" {
  description = "Role by which Auto Scaling starts nodes, for another region's installation in this account."
  value       = module.kms.autoscaling_role_arn
}

output "role_arns" {
  description = "Role of each function and worker."
  value       = module.iam.role_arns
}

output "operator_role_arns" {
  description = "Role of each operator's task."
  value       = module.iam.operator_role_arns
}

output "alarm_topic_arn" {
  description = "Topic of all alarms."
  value       = module.monitoring.alarm_topic_arn
}

output "remote_write_url" {
  description = "Where the Prometheus agent writes."
  value       = module.monitoring.remote_write_url
}

output "outgoing_addresses" {
  description = "Addresses from which the bank calls others."
  value       = module.network.outgoing_addresses
}

output "copies" {
  description = "Where the copies go: archives by name, vaults of snapshots, and the global database."
  value = {
    archives  = module.storage.copies
    snapshots = module.backup.copies
    database  = module.postgres.member_of
  }
}

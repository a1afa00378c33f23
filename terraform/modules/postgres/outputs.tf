output "endpoint" {
  description = "Address of the instance that writes; it follows a failover."
  value       = aws_rds_cluster.this.endpoint
}

output "arn" {
  description = "ARN of the database cluster."
  value       = aws_rds_cluster.this.arn
}

output "id" {
  description = "Name of the database cluster in CloudWatch."
  value       = aws_rds_cluster.this.cluster_identifier
}

output "global_cluster_id" {
  description = "Global database that a remote region follows; null without one."
  value       = one(aws_rds_global_cluster.this[*].id)
}

output "member_of" {
  description = "Global database that this one is a member of; null without one."
  value       = aws_rds_cluster.this.global_cluster_identifier
}

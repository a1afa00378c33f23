output "endpoint" {
  description = "Address of the node that writes; it follows a failover."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "node_ids" {
  description = "Nodes by zone order, for CloudWatch."
  value       = { for i, z in keys(var.subnets) : z => format("%s-%03d", var.name, i + 1) }
}

output "name" {
  description = "Name of the cluster."
  value       = aws_eks_cluster.this.name
}

output "endpoint" {
  description = "Address of the cluster's API, inside the network."
  value       = aws_eks_cluster.this.endpoint
}

output "node_groups" {
  description = "Node group of each zone."
  value       = { for z, g in aws_eks_node_group.zone : z => g.node_group_name }
}

output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Addresses of the network."
  value       = aws_vpc.this.cidr_block
}

output "subnets" {
  description = "Subnets of each kind, by zone."
  value = {
    cluster = { for z, s in aws_subnet.cluster : z => s.id }
    data    = { for z, s in aws_subnet.data : z => s.id }
    edge    = { for z, s in aws_subnet.edge : z => s.id }
  }
}

output "operator_route_tables" {
  description = "Route tables of what operators call, for the bank's own routes back to them."
  value       = concat([aws_route_table.data.id], [for t in aws_route_table.cluster : t.id])
}

output "security_groups" {
  description = "Security group of each part."
  value       = { for part, g in aws_security_group.this : part => g.id }
}

output "firewall_alert_log" {
  description = "Log group with each connection that the firewall refused."
  value       = aws_cloudwatch_log_group.network["firewall-alerts"].name
}

output "outgoing_addresses" {
  description = "Addresses from which the bank calls others, for their allow lists."
  value       = [for e in aws_eip.nat : e.public_ip]
}

output "gateway_port" {
  description = "Port of the cluster's ingress gateway."
  value       = var.gateway_port
}

output "dns_name" {
  description = "Name that the bank's own domain points to."
  value       = aws_lb.this.dns_name
}

output "target_group_arn" {
  description = "Where the cluster's controller registers the gateway's pods."
  value       = aws_lb_target_group.gateway.arn
}

output "dimensions" {
  description = "Names of the load balancer and its targets in CloudWatch."
  value = {
    LoadBalancer = aws_lb.this.arn_suffix
    TargetGroup  = aws_lb_target_group.gateway.arn_suffix
  }
}

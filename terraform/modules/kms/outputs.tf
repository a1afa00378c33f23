output "arns" {
  description = "ARN of the key of each purpose."
  value       = { for name, key in aws_kms_key.this : name => key.arn }
}

output "autoscaling_role_arn" {
  description = "ARN of the role of Auto Scaling, for another region's installation, which then waits until the role exists."
  value       = local.autoscaling_role
  depends_on  = [aws_iam_service_linked_role.autoscaling]
}

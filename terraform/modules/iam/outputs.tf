output "role_arns" {
  description = "ARN of the role of each function and worker."
  value       = { for name, r in aws_iam_role.process : name => r.arn }
}

output "operator_role_arns" {
  description = "ARN of the role of each operator's task."
  value       = { for name, r in aws_iam_role.operator : name => r.arn }
}

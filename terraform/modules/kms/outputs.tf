output "arns" {
  description = "ARN of the key of each purpose."
  value       = { for name, key in aws_kms_key.this : name => key.arn }
}

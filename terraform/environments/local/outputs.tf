output "topic_arn" {
  description = "SNS_TOPIC_ARN of events-relay."
  value       = module.events.topic_arn
}

output "key_file_key_arn" {
  description = "KMS key for tide keys seal --kms-key."
  value       = module.kms.arns["keys"]
}

output "role_arns" {
  description = "Role of each function and worker."
  value       = module.iam.role_arns
}

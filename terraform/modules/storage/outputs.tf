output "bucket_arns" {
  description = "ARN of each archive, by its name in the inventory. It is known once its lock is on."
  value       = { for name, b in aws_s3_bucket.archive : name => b.arn }

  depends_on = [aws_s3_bucket_object_lock_configuration.archive, aws_s3_bucket_versioning.archive]
}

output "bucket_names" {
  description = "Whole name of each archive."
  value       = { for name, b in aws_s3_bucket.archive : name => b.bucket }
}

output "copies" {
  description = "Bucket that takes the copy of each archive."
  value       = { for name, c in aws_s3_bucket_replication_configuration.archive : name => one([for r in c.rule : r.destination[0].bucket]) }
}

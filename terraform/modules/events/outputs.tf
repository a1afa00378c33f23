output "topic_arn" {
  description = "ARN of the topic: SNS_TOPIC_ARN of events-relay."
  value       = aws_sns_topic.events.arn
}

output "queue_arns" {
  description = "ARN of the queue of each consumer."
  value       = { for name, q in aws_sqs_queue.events : name => q.arn }
}

output "dead_letter_arns" {
  description = "ARN of the queue of dead letters of each consumer."
  value       = { for name, q in aws_sqs_queue.dead : name => q.arn }
}

output "dead_letter_names" {
  description = "Name of the queue of dead letters of each consumer."
  value       = { for name, q in aws_sqs_queue.dead : name => q.name }
}

output "queue_names" {
  description = "Name of the queue of each consumer."
  value       = { for name, q in aws_sqs_queue.events : name => q.name }
}

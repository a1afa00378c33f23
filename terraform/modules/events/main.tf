# The broker: one topic, and for each consumer a queue with the types that it hears, and a queue of its dead letters.
data "aws_caller_identity" "current" {}

locals {
  consumers = { for c in var.consumers : c.name => c }
  # SQS keeps a message for 14 days at most.
  longest = 14 * 24 * 60 * 60
}

resource "aws_sns_topic" "events" {
  name              = var.topic
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "events" {
  arn = aws_sns_topic.events.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ByPoliciesOfThisAccount"
      Effect    = "Allow"
      Principal = { AWS = data.aws_caller_identity.current.account_id }
      Action    = ["sns:Publish", "sns:Subscribe", "sns:GetTopicAttributes", "sns:SetTopicAttributes", "sns:ListSubscriptionsByTopic"]
      Resource  = aws_sns_topic.events.arn
      }, {
      Sid       = "OnlyOverTLS"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.events.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_sqs_queue" "dead" {
  for_each = local.consumers

  name                              = each.value.dead_letter_queue
  message_retention_seconds         = local.longest
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 300
}

resource "aws_sqs_queue" "events" {
  for_each = local.consumers

  name                              = each.value.queue
  visibility_timeout_seconds        = each.value.visibility_timeout_s
  message_retention_seconds         = local.longest
  receive_wait_time_seconds         = 20
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 300

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead[each.key].arn
    maxReceiveCount     = each.value.max_receives
  })
}

# Only the consumer's own queue moves messages to its dead letters.
resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  for_each = local.consumers

  queue_url = aws_sqs_queue.dead[each.key].url

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.events[each.key].arn]
  })
}

resource "aws_sqs_queue_policy" "events" {
  for_each = local.consumers

  queue_url = aws_sqs_queue.events[each.key].url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "FromTheTopic"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.events[each.key].arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.events.arn } }
      }, {
      Sid       = "OnlyOverTLS"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.events[each.key].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_sqs_queue_policy" "dead" {
  for_each = local.consumers

  queue_url = aws_sqs_queue.dead[each.key].url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTLS"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.dead[each.key].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_sns_topic_subscription" "events" {
  for_each = local.consumers

  topic_arn            = aws_sns_topic.events.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.events[each.key].arn
  raw_message_delivery = true
  filter_policy        = jsonencode({ type = each.value.types })

  # Without the queue's policy, SNS would lose the first events.
  depends_on = [aws_sqs_queue_policy.events]
}

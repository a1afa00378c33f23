provider "aws" {
  region = "cn-north-1"
}

run "inventory" {
  module {
    source = "../inventory"
  }
}

variables {
  key_arn = "arn:aws:kms:us-east-1:111122223333:key/events"
}

run "each_consumer_has_a_queue_and_dead_letters" {
  variables {
    topic     = run.inventory.topic
    consumers = run.inventory.consumers
  }

  assert {
    condition     = toset([for q in aws_sqs_queue.events : q.name]) == toset([for c in var.consumers : c.queue])
    error_message = "The queues are not those of the inventory."
  }

  assert {
    condition     = toset([for q in aws_sqs_queue.dead : q.name]) == toset([for c in var.consumers : c.dead_letter_queue])
    error_message = "The queues of dead letters are not those of the inventory."
  }

  assert {
    condition = alltrue([for c in var.consumers :
      jsondecode(aws_sqs_queue.events[c.name].redrive_policy).deadLetterTargetArn == aws_sqs_queue.dead[c.name].arn &&
      jsondecode(aws_sqs_queue.events[c.name].redrive_policy).maxReceiveCount == c.max_receives &&
      aws_sqs_queue.events[c.name].visibility_timeout_seconds == c.visibility_timeout_s
    ])
    error_message = "A queue does not move what nobody takes to its own dead letters, after the receives of the inventory."
  }

  assert {
    condition = alltrue([for name, p in aws_sqs_queue_redrive_allow_policy.dead :
      jsondecode(p.redrive_allow_policy).sourceQueueArns == [aws_sqs_queue.events[name].arn]
    ])
    error_message = "Another queue may use the dead letters of a consumer."
  }

  assert {
    condition     = alltrue([for q in aws_sqs_queue.dead : q.message_retention_seconds == 1209600])
    error_message = "Dead letters stay less than the 14 days that SQS allows."
  }
}

run "each_consumer_hears_its_types_and_no_others" {
  variables {
    topic     = run.inventory.topic
    consumers = run.inventory.consumers
  }

  assert {
    condition = alltrue([for c in var.consumers :
      jsondecode(aws_sns_topic_subscription.events[c.name].filter_policy) == { type = c.types }
    ])
    error_message = "A filter policy is not the subscription of its function."
  }

  assert {
    condition     = alltrue([for s in aws_sns_topic_subscription.events : s.raw_message_delivery && s.protocol == "sqs"])
    error_message = "Messages are wrapped by SNS: events-queues reads CloudEvents as they are."
  }
}

run "only_the_topic_and_only_tls" {
  variables {
    topic     = run.inventory.topic
    consumers = run.inventory.consumers
  }

  assert {
    condition = alltrue([for name, p in aws_sqs_queue_policy.events : alltrue([for s in jsondecode(p.policy).Statement :
      s.Effect == "Deny" || s.Condition.ArnEquals["aws:SourceArn"] == aws_sns_topic.events.arn
    ])])
    error_message = "Others than the topic may put messages into a queue."
  }

  assert {
    condition = alltrue([for p in concat(values(aws_sqs_queue_policy.events), values(aws_sqs_queue_policy.dead), [aws_sns_topic_policy.events]) :
      anytrue([for s in jsondecode(p.policy).Statement : s.Effect == "Deny" && try(s.Condition.Bool["aws:SecureTransport"], "") == "false"])
    ])
    error_message = "A queue or the topic can be used without TLS."
  }

  assert {
    condition = alltrue([for q in concat(values(aws_sqs_queue.events), values(aws_sqs_queue.dead)) :
      q.kms_master_key_id == var.key_arn
    ]) && aws_sns_topic.events.kms_master_key_id == var.key_arn
    error_message = "Events lie in clear."
  }
}

run "a_consumer_without_types" {
  command = plan

  variables {
    topic = "t"
    consumers = [{
      name = "c", queue = "q", dead_letter_queue = "d", types = [], max_receives = 12, visibility_timeout_s = 30
    }]
  }

  expect_failures = [var.consumers]
}

run "dead_letters_in_the_same_queue" {
  command = plan

  variables {
    topic = "t"
    consumers = [{
      name = "c", queue = "q", dead_letter_queue = "q", types = ["a"], max_receives = 12, visibility_timeout_s = 30
    }]
  }

  expect_failures = [var.consumers]
}

variable "topic" {
  description = "Name of the topic that takes every event."
  type        = string
}

variable "consumers" {
  description = "Event functions with their queues, from the inventory."
  type = list(object({
    name                 = string
    queue                = string
    dead_letter_queue    = string
    types                = list(string)
    max_receives         = number
    visibility_timeout_s = number
  }))

  validation {
    condition     = alltrue([for c in var.consumers : length(c.types) > 0])
    error_message = "Each consumer must hear at least one type of event; with an empty filter policy it would hear none."
  }

  validation {
    condition     = alltrue([for c in var.consumers : c.max_receives >= 2 && c.visibility_timeout_s >= 1])
    error_message = "A message must be received at least twice before it is a dead letter, and be invisible for a second."
  }

  validation {
    condition     = alltrue([for c in var.consumers : c.queue != c.dead_letter_queue])
    error_message = "The dead letters of a consumer need a queue of their own."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the topic and the queues."
  type        = string
}

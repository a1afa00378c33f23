variable "name" {
  description = "Name of this installation and of its replication group."
  type        = string
}

variable "subnets" {
  description = "Data subnet of each zone; each gets a node."
  type        = map(string)

  validation {
    condition     = length(var.subnets) >= 2
    error_message = "Redis stands in at least two zones: with one node, each failure would end all sessions."
  }
}

variable "security_group_id" {
  description = "Security group of Redis."
  type        = string
}

variable "engine" {
  description = "redis or valkey."
  type        = string
  default     = "valkey"

  validation {
    condition     = contains(["redis", "valkey"], var.engine)
    error_message = "The engine is redis or valkey."
  }
}

variable "engine_version" {
  description = "Version of the engine."
  type        = string
  default     = "8.0"
}

variable "family" {
  description = "Family of parameters that belongs to the engine and its version."
  type        = string
  default     = "valkey8"
}

variable "node_type" {
  description = "Type of each node (docs/capacity.md)."
  type        = string

  validation {
    condition     = can(regex("^cache\\.", var.node_type))
    error_message = "A type is written as cache.r7g.large."
  }
}

variable "user_ids" {
  description = "Ids of the users that may log in, made by an operator with their passwords (docs/terraform.md)."
  type        = list(string)

  validation {
    condition     = length(var.user_ids) > 0
    error_message = "Name the user of the bank's processes: without one, nobody could use Redis."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts Redis' disks."
  type        = string
}

variable "log_key_arn" {
  description = "ARN of the KMS key that encrypts the logs."
  type        = string
}

variable "log_days" {
  description = "Days that logs of Redis stay."
  type        = number
  default     = 400
}

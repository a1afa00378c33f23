variable "name" {
  description = "Name of this installation, first part of the names of its resources."
  type        = string
}

variable "topic" {
  description = "Name of the topic of all events."
  type        = string
}

variable "queues" {
  description = "Name of the queue of each consumer."
  type        = map(string)
}

variable "dead_letter_queues" {
  description = "Name of the queue of dead letters of each consumer."
  type        = map(string)

  validation {
    condition     = alltrue([for name, queue in var.queues : contains(keys(var.dead_letter_queues), name)])
    error_message = "A consumer has a queue and no queue of dead letters to watch."
  }
}

variable "database" {
  description = "Database cluster, the connections that processes may open, and whether a remote region follows it."
  type        = object({ id = string, connections = number, remote = bool })
  default     = null
}

variable "redis_nodes" {
  description = "Name of the Redis node of each zone."
  type        = map(string)
  default     = {}
}

variable "edge" {
  description = "Dimensions of the edge's load balancer and targets in CloudWatch."
  type        = map(string)
  default     = null
}

variable "firewall_alert_log" {
  description = "Log group with the connections that the firewall refused."
  type        = string
  default     = null
}

variable "cluster_name" {
  description = "Cluster of the Prometheus agent; needed for the managed Prometheus."
  type        = string
  default     = null
}

variable "managed_prometheus" {
  description = "Whether to make a workspace of Amazon Managed Service for Prometheus."
  type        = bool
  default     = true

  validation {
    condition     = !var.managed_prometheus || var.cluster_name != null
    error_message = "The managed Prometheus needs cluster_name: an agent in the cluster writes to it."
  }
}

variable "grafana" {
  description = "Whether to make a Grafana workspace; it needs the bank's IAM Identity Center."
  type        = bool
  default     = false

  validation {
    condition     = !var.grafana || var.managed_prometheus
    error_message = "Grafana shows the managed Prometheus: set managed_prometheus too."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the topic of alarms."
  type        = string
}

variable "log_key_arn" {
  description = "ARN of the KMS key that encrypts logs and metrics."
  type        = string
}

variable "log_days" {
  description = "Days that logs stay."
  type        = number
  default     = 400
}

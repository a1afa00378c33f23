variable "name" {
  description = "Name of this installation and of its cluster."
  type        = string
}

variable "kubernetes_version" {
  description = "Version of Kubernetes; Knative 0.50 is tested on 1.34 (docs/knative.md)."
  type        = string
  default     = "1.34"

  validation {
    condition     = can(regex("^1\\.(3[3-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "Knative 0.50 needs Kubernetes 1.33 or newer, written as 1.34."
  }
}

variable "subnets" {
  description = "Subnet of the cluster in each zone."
  type        = map(string)

  validation {
    condition     = length(var.subnets) == 3
    error_message = "The cluster stands in three zones."
  }
}

variable "security_group_id" {
  description = "Security group of the nodes."
  type        = string
}

variable "api_security_group_id" {
  description = "Security group of the API, which lets operators in. The nodes do not have it."
  type        = string
}

variable "nodes" {
  description = "Nodes of each zone: their types, and how many at least and at most."
  type = object({
    instance_types = list(string)
    ami_type       = optional(string, "BOTTLEROCKET_x86_64")
    min            = number
    max            = number
  })

  validation {
    condition     = var.nodes.min >= 1 && var.nodes.max >= var.nodes.min
    error_message = "Each zone has at least one node, and max is not below min: an empty zone serves nobody."
  }

  validation {
    condition     = length(var.nodes.instance_types) > 0
    error_message = "Name at least one type of instance."
  }
}

variable "admin_arns" {
  description = "ARNs of the IAM roles that administer the cluster and apply infra/knative."
  type        = list(string)

  validation {
    condition     = length(var.admin_arns) > 0 && alltrue([for a in var.admin_arns : can(regex("^arn:aws(-cn)?:iam::[0-9]{12}:role/", a))])
    error_message = "Name at least one IAM role: the creator of the cluster gets no rights in it."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the cluster's secrets and disks."
  type        = string
}

variable "log_key_arn" {
  description = "ARN of the KMS key that encrypts the logs."
  type        = string
}

variable "log_days" {
  description = "Days that logs of the control plane stay."
  type        = number
  default     = 400
}

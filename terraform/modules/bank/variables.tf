variable "name" {
  description = "Name of this installation, first part of the names of its resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}[a-z0-9]$", var.name))
    error_message = "The name must be 4 to 20 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "cidr" {
  description = "Addresses of the network: a private /16 (module network)."
  type        = string
}

variable "zones" {
  description = "Three availability zones."
  type        = list(string)
}

variable "edge_cidrs" {
  description = "Addresses that may call the edge on port 443."
  type        = list(string)
}

variable "operator_cidrs" {
  description = "Private networks of the bank's operators, who reach the database and the cluster's API (module network)."
  type        = list(string)
  default     = []
}

variable "allowed_domains" {
  description = "Names outside that processes may call."
  type        = list(string)
}

variable "endpoints_china" {
  description = "Services whose endpoints have names that begin with cn.com.amazonaws; null takes those of the region (module network)."
  type        = set(string)
  default     = null
}

variable "nodes" {
  description = "Nodes of each zone: their types, and how many at least and at most."
  type = object({
    instance_types = list(string)
    ami_type       = optional(string, "BOTTLEROCKET_x86_64")
    min            = number
    max            = number
  })
}

variable "make_autoscaling_role" {
  description = "Whether to make the account's role AWSServiceRoleForAutoScaling (module kms)."
  type        = bool
  default     = true
}

variable "autoscaling_role_arn" {
  description = "ARN of that role, if another region's installation in the same account makes it."
  type        = string
  default     = null
}

variable "admin_arns" {
  description = "ARNs of the IAM roles that administer the cluster."
  type        = list(string)
}

variable "operator_arns" {
  description = "ARNs of the IAM principals who may seal key files and archive the audit record."
  type        = list(string)
}

variable "database_class" {
  description = "Class of each instance of the database (docs/capacity.md)."
  type        = string
}

variable "database_password" {
  description = "Password of the owner of the tables. It is sent once and stored in no state."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "database_password_version" {
  description = "Raise it to send a new password."
  type        = number
  default     = 1
}

variable "has_remote" {
  description = "Whether a remote region follows this one."
  type        = bool
  default     = false
}

variable "is_remote" {
  description = "Whether this is the remote region, which follows another."
  type        = bool
  default     = false
}

variable "global_cluster_id" {
  description = "In the remote region: the global database that it follows."
  type        = string
  default     = null
}

variable "archive_replica" {
  description = "Buckets of the archives in the remote region, and its key; null makes no copy."
  type        = object({ bucket_arns = map(string), key_arn = string })
  default     = null
}

variable "copy_vault_arn" {
  description = "ARN of the remote region's vault of snapshots."
  type        = string
  default     = null
}

variable "redis_type" {
  description = "Type of each Redis node (docs/capacity.md)."
  type        = string
}

variable "redis_user_ids" {
  description = "Ids of the users that may log in to Redis."
  type        = list(string)
}

variable "bucket_suffix" {
  description = "Last part of the names of buckets, which are unique in all of AWS."
  type        = string
}

variable "managed_prometheus" {
  description = "Whether to use Amazon Managed Service for Prometheus; regions in China lack it."
  type        = bool
  default     = true
}

variable "grafana" {
  description = "Whether to make a Grafana workspace."
  type        = bool
  default     = false
}

variable "log_days" {
  description = "Days that logs stay."
  type        = number
  default     = 400
}

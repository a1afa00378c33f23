variable "account" {
  description = "Number of the AWS account of this environment. Each environment has an account of its own."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "An account number has 12 digits."
  }
}

variable "region" {
  description = "Region of the bank, for example cn-north-1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region is written as cn-north-1."
  }
}

variable "cidr" {
  description = "Addresses of the network: a private /16."
  type        = string
}

variable "zones" {
  description = "Three availability zones of the region."
  type        = list(string)

  validation {
    condition     = alltrue([for z in var.zones : startswith(z, var.region)])
    error_message = "Each zone must be one of the region."
  }
}

variable "edge_cidrs" {
  description = "Addresses that may call the edge on port 443."
  type        = list(string)
}

variable "operator_cidrs" {
  description = "Private networks of the bank's operators, who reach the database and the cluster's API. The bank joins them by its own VPN or private connection."
  type        = list(string)
  default     = []
}

variable "allowed_domains" {
  description = "Names outside that processes may call, for example the SMS gateway."
  type        = list(string)
}

variable "endpoints_china" {
  description = "Services whose endpoints have names that begin with cn.com.amazonaws; null takes those of the region (docs/terraform.md, regions in China)."
  type        = set(string)
  default     = null
}

variable "make_autoscaling_role" {
  description = "Whether to make the account's role AWSServiceRoleForAutoScaling. A new account lacks it. An account that has it refuses a second: then set false."
  type        = bool
  default     = true
}

variable "admin_arns" {
  description = "ARNs of the IAM roles that administer the cluster."
  type        = list(string)
}

variable "operator_arns" {
  description = "ARNs of the IAM principals who may seal key files and archive the audit record."
  type        = list(string)

  validation {
    condition     = length(var.operator_arns) > 0
    error_message = "Name at least one operator: nobody else can seal key files."
  }
}

variable "redis_user_ids" {
  description = "Ids of the users that may log in to Redis, made by an operator with their passwords."
  type        = list(string)
}

variable "managed_prometheus" {
  description = "Whether to use Amazon Managed Service for Prometheus; regions in China lack it."
  type        = bool
  default     = true
}

variable "database_password" {
  description = "Password of the owner of the tables, for the first apply. No state stores it."
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

variable "grafana" {
  description = "Whether to make a Grafana workspace; it needs the bank's IAM Identity Center."
  type        = bool
  default     = false
}

variable "nodes" {
  description = "Nodes of each zone (docs/capacity.md)."
  type        = object({ instance_types = list(string), min = number, max = number })

  validation {
    condition     = var.nodes.min >= 2
    error_message = "Production has at least two nodes in each zone: one failed node must not empty a site."
  }
}

variable "database_class" {
  description = "Class of each instance of the database (docs/capacity.md)."
  type        = string

  validation {
    condition     = !startswith(var.database_class, "db.t")
    error_message = "Production needs a class with constant speed: db.t classes slow down after a peak."
  }
}

variable "redis_type" {
  description = "Type of each Redis node (docs/capacity.md)."
  type        = string

  validation {
    condition     = !startswith(var.redis_type, "cache.t")
    error_message = "Production needs a type with constant speed: cache.t types slow down after a peak."
  }
}

variable "remote" {
  description = "The remote region that takes over when the whole region is lost. Raise min_nodes (of each zone) then."
  type        = object({ region = string, cidr = string, zones = list(string), min_nodes = optional(number, 1) })

  validation {
    condition     = var.remote.min_nodes >= 1 && var.remote.min_nodes <= var.nodes.max
    error_message = "The remote region has from 1 to nodes.max nodes in each zone."
  }

  validation {
    condition     = var.remote.region != var.region
    error_message = "The remote region must be another region."
  }

  validation {
    condition     = alltrue([for z in var.remote.zones : startswith(z, var.remote.region)])
    error_message = "Each zone of the remote region must be one of it."
  }

  validation {
    condition     = var.remote.cidr != var.cidr
    error_message = "The networks of both regions must differ, or they can never be joined."
  }
}

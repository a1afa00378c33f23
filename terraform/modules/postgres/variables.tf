variable "name" {
  description = "Name of this installation and of its database cluster."
  type        = string
}

variable "subnets" {
  description = "Data subnet of each zone; each gets an instance."
  type        = map(string)

  validation {
    condition     = length(var.subnets) == 3
    error_message = "The database stands in three zones: one writes, two can take over."
  }
}

variable "security_group_id" {
  description = "Security group of the database."
  type        = string
}

variable "engine_version" {
  description = "Version of Aurora PostgreSQL; the bank needs 15 or newer."
  type        = string
  default     = "17.5"

  validation {
    condition     = can(regex("^(1[5-9]|[2-9][0-9])\\.[0-9]+$", var.engine_version))
    error_message = "The bank needs PostgreSQL 15 or newer, written as 17.5."
  }
}

variable "instance_class" {
  description = "Class of each instance (docs/capacity.md)."
  type        = string

  validation {
    condition     = can(regex("^db\\.", var.instance_class))
    error_message = "A class is written as db.r8g.xlarge."
  }
}

variable "connections" {
  description = "Connections that all processes open at most, from the inventory."
  type        = number

  validation {
    condition     = var.connections > 0 && var.connections <= 4900
    error_message = "The processes open from 1 to 4900 connections; above that, use shards (docs/capacity.md). The bank takes no pooler."
  }
}

variable "backup_days" {
  description = "Days to any second of which the database can be restored."
  type        = number
  default     = 35

  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "Point-in-time restore goes back 7 to 35 days; module backup keeps older copies."
  }
}

variable "followed" {
  description = "Whether a remote region follows this database."
  type        = bool
  default     = false
}

variable "follower" {
  description = "Whether this database is that of the remote region, and follows another."
  type        = bool
  default     = false

  validation {
    condition     = !(var.follower && var.followed)
    error_message = "A database that follows another one is followed by none."
  }
}

variable "global_cluster_id" {
  description = "Global database that a follower belongs to."
  type        = string
  default     = null
}

variable "master_password" {
  description = "Password of the owner of the tables. It is sent once and stored in no state."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "master_password_version" {
  description = "Raise it to send a new password."
  type        = number
  default     = 1
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the database and its snapshots."
  type        = string
}

variable "log_key_arn" {
  description = "ARN of the KMS key that encrypts the logs."
  type        = string
}

variable "log_days" {
  description = "Days that logs of the database stay."
  type        = number
  default     = 400
}

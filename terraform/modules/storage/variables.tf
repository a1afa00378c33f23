variable "name" {
  description = "Name of this installation, first part of the names of its resources."
  type        = string
}

variable "buckets" {
  description = "Archives with the days of their object lock, from the inventory."
  type        = list(object({ name = string, object_lock_days = number }))

  validation {
    condition     = alltrue([for b in var.buckets : b.object_lock_days >= 1826])
    error_message = "An archive is locked for at least five years: the law asks for records that long."
  }
}

variable "suffix" {
  description = "Last part of the names of buckets, which are unique in all of AWS. Give --bucket of tide audit archive the whole name."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(-[a-z0-9-]{1,20})?$", var.suffix))
    error_message = "The suffix is empty, or a hyphen and at most 20 lower-case letters, digits and hyphens."
  }
}

variable "replica" {
  description = "Buckets of the same archives in the remote region, and its key; null makes no copy."
  type        = object({ bucket_arns = map(string), key_arn = string })
  default     = null
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the archives."
  type        = string
}

variable "log_days" {
  description = "Days that the log of accesses stays."
  type        = number
  default     = 400
}

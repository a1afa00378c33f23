variable "name" {
  description = "Name of this installation, first part of the names of its resources and the path of its roles."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}[a-z0-9]$", var.name))
    error_message = "The name must be 4 to 20 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "bank" {
  description = "Name of the bank in the encryption context of its key files."
  type        = string

  validation {
    condition     = length(var.bank) > 0
    error_message = "The name of the bank must not be empty: key files are bound to it."
  }
}

variable "make_autoscaling_role" {
  description = "Whether to make the account's role AWSServiceRoleForAutoScaling. A new account lacks it. An account that has it refuses a second: then set false."
  type        = bool
  default     = true
}

variable "autoscaling_role_arn" {
  description = "ARN of that role, if another region's installation in the same account makes it; null names it by the account."
  type        = string
  default     = null
}

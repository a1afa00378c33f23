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

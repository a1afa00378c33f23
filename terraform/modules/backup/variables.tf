variable "name" {
  description = "Name of this installation and of its vault."
  type        = string
}

variable "resource_arns" {
  description = "What is backed up; nothing in a remote region, whose vault only takes copies."
  type        = list(string)
  default     = []
}

variable "days" {
  description = "Days that a snapshot stays."
  type        = number
  default     = 92

  validation {
    condition     = var.days >= 35 && var.days <= 3653
    error_message = "A snapshot stays from 35 days to ten years: the vault refuses others."
  }
}

variable "copies" {
  description = "Whether each snapshot is copied to the remote region."
  type        = bool
  default     = false
}

variable "copy_vault_arn" {
  description = "ARN of the remote region's vault."
  type        = string
  default     = null
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the vault."
  type        = string
}

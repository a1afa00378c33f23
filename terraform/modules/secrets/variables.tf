variable "names" {
  description = "Names of the secrets, from the inventory."
  type        = list(string)

  validation {
    condition     = length(var.names) == length(distinct(var.names))
    error_message = "A secret is listed twice."
  }
}

variable "key_arn" {
  description = "ARN of the KMS key that encrypts the secrets."
  type        = string
}

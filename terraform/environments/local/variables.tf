variable "name" {
  description = "Name of this installation."
  type        = string
  default     = "tidebank-local"
}

variable "region" {
  description = "Region that the emulator plays."
  type        = string
  default     = "us-east-1"
}

variable "endpoint" {
  description = "Address of the emulator: go run ./localstack --aws prints it."
  type        = string
  default     = "http://127.0.0.1:4566"

  validation {
    condition     = can(regex("^http://(127\\.0\\.0\\.1|localhost|\\[::1\\]):[0-9]+$", var.endpoint))
    error_message = "The emulator runs on this machine: http://127.0.0.1:PORT. This environment never calls AWS."
  }
}

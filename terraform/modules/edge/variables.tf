variable "name" {
  description = "Name of this installation, first part of the names of its resources."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the edge, one in each zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "The edge stands in at least two zones, so that the loss of one leaves a door."
  }
}

variable "security_group_id" {
  description = "Security group of the edge."
  type        = string
}

variable "gateway_port" {
  description = "Port of the cluster's ingress gateway."
  type        = number
}

variable "name" {
  description = "Name of this installation, first part of the names of its resources."
  type        = string
}

variable "cidr" {
  description = "Addresses of the network: a private /16, which no other network of the bank uses."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16") && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.cidr))
    error_message = "The network needs a private /16, for example 10.20.0.0/16: subnets of fixed sizes are cut from it."
  }
}

variable "zones" {
  description = "Three availability zones. Each has nodes, a database instance, a Redis node and its own way out."
  type        = list(string)

  validation {
    condition     = length(var.zones) == 3 && length(distinct(var.zones)) == 3
    error_message = "Name three different availability zones: with two, the loss of one leaves no second copy of anything."
  }
}

variable "edge_cidrs" {
  description = "Addresses that may call the edge on port 443. All of the Internet, or the bank's own protection in front."
  type        = list(string)

  validation {
    condition     = length(var.edge_cidrs) > 0 && alltrue([for c in var.edge_cidrs : can(cidrhost(c, 0))])
    error_message = "Each address of the edge must be a CIDR block such as 203.0.113.0/24."
  }
}

variable "operator_cidrs" {
  description = "Private networks of the bank's operators, who come by the bank's own VPN or private connection. They reach the database and the cluster's API, and nothing else. Empty lets nobody in."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([for c in var.operator_cidrs :
      can(cidrhost(c, 0)) && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.).*/(1[6-9]|2[0-9]|3[0-2])$", c))
    ])
    error_message = "Operators come from private networks of at most a /16, for example 10.99.0.0/24: never from the Internet."
  }

  # Of two networks of at most a /16 and this network, which is a /16, the first two numbers tell whether they overlap.
  validation {
    condition = alltrue([for c in var.operator_cidrs :
      try(slice(split(".", c), 0, 2) != slice(split(".", var.cidr), 0, 2), true)
    ])
    error_message = "Networks of operators must not lie in the bank's network on AWS: no answer finds its way back to them."
  }
}

variable "gateway_port" {
  description = "Port of the cluster's ingress gateway on the nodes' network."
  type        = number
  default     = 8443

  validation {
    condition     = var.gateway_port >= 1024 && var.gateway_port <= 65535
    error_message = "The gateway's port must be from 1024 to 65535: the gateway has no right to a lower one."
  }
}

variable "allowed_domains" {
  description = "Names outside that processes may call on port 443, for example the SMS gateway. A leading dot allows all names below."
  type        = list(string)

  validation {
    condition     = length(var.allowed_domains) > 0
    error_message = "Name at least the SMS gateway: without it no code reaches a customer."
  }

  validation {
    condition     = alltrue([for d in var.allowed_domains : can(regex("^\\.?([a-z0-9-]+\\.)+[a-z]{2,}$", d))])
    error_message = "An allowed name is a domain such as sms.example.com or .example.com; \"*\" and addresses are not allowed."
  }
}

variable "endpoints_china" {
  description = "Services whose endpoints have names that begin with cn.com.amazonaws and not with com.amazonaws. Null takes those that AWS names so in regions in China, and none elsewhere."
  type        = set(string)
  default     = null
}

variable "managed_prometheus" {
  description = "Whether the region has Amazon Managed Service for Prometheus."
  type        = bool
  default     = true
}

variable "log_key_arn" {
  description = "ARN of the KMS key that encrypts the logs and the firewall's rules."
  type        = string
}

variable "log_days" {
  description = "Days that logs of the network stay."
  type        = number
  default     = 400

  validation {
    condition     = contains([400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "Logs stay for more than a year, for a number of days that CloudWatch knows: 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

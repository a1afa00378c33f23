variable "name" {
  description = "Name of this installation, first part of the names of its resources and the path of its roles."
  type        = string
}

variable "bank" {
  description = "Name of the bank in the encryption context of its key files."
  type        = string
}

variable "functions" {
  description = "Functions and workers, from the inventory."
  type = list(object({
    name         = string
    kind         = string
    secrets      = list(string)
    key_purposes = list(string)
    keys_kms     = bool
    publishes    = bool
    polls        = bool
  }))

  validation {
    condition     = alltrue([for f in var.functions : contains(["http", "event", "worker"], f.kind)])
    error_message = "A process is http, event or worker."
  }

  validation {
    condition = alltrue(flatten([for f in var.functions : [
      for s in f.secrets : !endswith(s, "-database-url") || endswith(s, "-${f.name}-database-url")
    ]]))
    error_message = "A process must not read the address of the database of another process: it holds that process's role."
  }

  validation {
    condition     = alltrue([for f in var.functions : f.kind == "worker" || !(f.publishes || f.polls)])
    error_message = "Only workers use the topic and the queues."
  }
}

variable "secret_arns" {
  description = "ARN of each secret, by its name."
  type        = map(string)
}

variable "key_arns" {
  description = "ARN of the KMS key of each purpose."
  type        = map(string)

  validation {
    condition     = alltrue([for k in ["keys", "secrets", "events", "storage"] : contains(keys(var.key_arns), k)])
    error_message = "The keys of the purposes keys, secrets, events and storage are needed."
  }
}

variable "topic_arn" {
  description = "ARN of the topic of all events."
  type        = string
}

variable "queue_arns" {
  description = "ARN of the queue of each consumer."
  type        = map(string)
}

variable "dead_letter_arns" {
  description = "ARN of the queue of dead letters of each consumer."
  type        = map(string)
}

variable "bucket_arns" {
  description = "ARN of each archive, by its name."
  type        = map(string)
}

variable "cluster_name" {
  description = "Name of the EKS cluster whose pods get the roles; null without a cluster."
  type        = string
  default     = null
}

variable "namespace" {
  description = "Namespace of the bank in the cluster."
  type        = string
  default     = "tidebank"
}

variable "operator_arns" {
  description = "ARNs of the IAM principals who may seal key files, archive the audit record and replay dead letters; none makes no role."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.operator_arns : can(regex("^arn:aws(-cn)?:iam::[0-9]{12}:(user|role)/", a))])
    error_message = "An operator is the ARN of an IAM user or role, never a whole account."
  }
}

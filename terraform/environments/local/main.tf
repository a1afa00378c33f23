# What the bank needs of AWS beside a cluster and its stores, on an emulator (docs/aws.md): the same modules as in
# production, for the processes of the local bank.
provider "aws" {
  region     = var.region
  access_key = "test" # the emulator takes any
  secret_key = "test"

  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true

  endpoints {
    iam            = var.endpoint
    kms            = var.endpoint
    s3             = var.endpoint
    secretsmanager = var.endpoint
    sns            = var.endpoint
    sqs            = var.endpoint
    sts            = var.endpoint
  }

  default_tags {
    tags = { bank = "tidebank", environment = "local" }
  }
}

module "inventory" {
  source = "../../modules/inventory"
}

module "kms" {
  source = "../../modules/kms"

  name                  = var.name
  bank                  = module.inventory.bank
  make_autoscaling_role = false # no nodes here
}

module "events" {
  source = "../../modules/events"

  topic     = module.inventory.topic
  consumers = module.inventory.consumers
  key_arn   = module.kms.arns["events"]
}

module "secrets" {
  source = "../../modules/secrets"

  names   = module.inventory.secrets
  key_arn = module.kms.arns["secrets"]
}

module "storage" {
  source = "../../modules/storage"

  name    = var.name
  buckets = module.inventory.buckets
  key_arn = module.kms.arns["storage"]
}

module "iam" {
  source = "../../modules/iam"

  name             = var.name
  bank             = module.inventory.bank
  functions        = module.inventory.functions
  secret_arns      = module.secrets.arns
  key_arns         = module.kms.arns
  topic_arn        = module.events.topic_arn
  queue_arns       = module.events.queue_arns
  dead_letter_arns = module.events.dead_letter_arns
  bucket_arns      = module.storage.bucket_arns
}

terraform {
  required_version = ">= 1.11.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
  }

  # Bucket, key and KMS key of the state are given at `tofu init` (docs/terraform.md).
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

# Archives with object lock: nobody can delete or change an object before its time, not even the account's owner. And a
# bucket that takes the log of who read them.
data "aws_caller_identity" "current" {}

locals {
  buckets = { for b in var.buckets : b.name => b }
  names   = { for name, b in local.buckets : name => "${name}${var.suffix}" }
  logs    = "${var.name}-access-logs${var.suffix}"

  over_tls = { for name, arn in merge({ for n, b in aws_s3_bucket.archive : n => b.arn }, { logs = aws_s3_bucket.logs.arn }) : name => {
    Sid       = "OnlyOverTLS"
    Effect    = "Deny"
    Principal = "*"
    Action    = "s3:*"
    Resource  = [arn, "${arn}/*"]
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  } }
}

resource "aws_s3_bucket" "archive" {
  #checkov:skip=CKV_AWS_144:replication.tf copies the archives where the environment has a remote region
  #checkov:skip=CKV2_AWS_62:nothing waits for objects of an archive; its log tells who read them
  for_each = local.buckets

  bucket              = local.names[each.key]
  object_lock_enabled = true
  force_destroy       = false
}

resource "aws_s3_bucket_versioning" "archive" {
  for_each = local.buckets

  bucket = aws_s3_bucket.archive[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_object_lock_configuration" "archive" {
  for_each = local.buckets

  bucket = aws_s3_bucket.archive[each.key].id

  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = each.value.object_lock_days
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "archive" {
  for_each = local.buckets

  bucket = aws_s3_bucket.archive[each.key].id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "archive" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.archive[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "archive" {
  for_each = local.buckets

  bucket = aws_s3_bucket.archive[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "archive" {
  for_each = local.buckets

  bucket = aws_s3_bucket.archive[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = [local.over_tls[each.key]] })
}

# Parts of an upload that broke off hold no archive.
resource "aws_s3_bucket_lifecycle_configuration" "archive" {
  for_each = local.buckets

  bucket = aws_s3_bucket.archive[each.key].id

  rule {
    id     = "broken-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_logging" "archive" {
  for_each = local.buckets

  bucket        = aws_s3_bucket.archive[each.key].id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = "${each.key}/"
}

# ---- The log of accesses

resource "aws_s3_bucket" "logs" {
  #checkov:skip=CKV_AWS_145:S3 writes its log of accesses only under its own key, as AWS documents
  #checkov:skip=CKV_AWS_144:the log tells about buckets of this region, and the remote region has its own
  #checkov:skip=CKV2_AWS_62:nothing waits for a log
  #checkov:skip=CKV_AWS_18:a log of the log would need another log
  bucket        = local.logs
  force_destroy = false
}

resource "aws_s3_bucket_versioning" "logs" {
  bucket = aws_s3_bucket.logs.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "logs" {
  bucket                  = aws_s3_bucket.logs.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.logs.id

  policy = jsonencode({ Version = "2012-10-17", Statement = [local.over_tls["logs"], {
    Sid       = "S3WritesTheLog"
    Effect    = "Allow"
    Principal = { Service = "logging.s3.amazonaws.com" }
    Action    = "s3:PutObject"
    Resource  = "${aws_s3_bucket.logs.arn}/*"
    Condition = {
      StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
      ArnLike      = { "aws:SourceArn" = [for b in aws_s3_bucket.archive : b.arn] }
    }
  }] })
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.logs.id

  rule {
    id     = "old-logs"
    status = "Enabled"

    filter {}

    expiration {
      days = var.log_days
    }

    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

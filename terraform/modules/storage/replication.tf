# A copy of each archive in the remote region, in a bucket with the same lock.
locals {
  replicas = var.replica == null ? {} : local.buckets
}

resource "aws_iam_role" "replication" {
  count = var.replica == null ? 0 : 1

  name        = "${var.name}-archive-replication"
  path        = "/${var.name}/service/"
  description = "S3 copies the archives to the remote region"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "replication" {
  count = var.replica == null ? 0 : 1

  name = "copy-the-archives"
  role = aws_iam_role.replication[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetBucketObjectLockConfiguration"]
      Resource = [for b in aws_s3_bucket.archive : b.arn]
      }, {
      Effect = "Allow"
      Action = [
        "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging",
        "s3:GetObjectRetention", "s3:GetObjectLegalHold",
      ]
      Resource = [for b in aws_s3_bucket.archive : "${b.arn}/*"]
      }, {
      Effect   = "Allow"
      Action   = ["s3:ReplicateObject", "s3:ReplicateTags"]
      Resource = [for arn in values(var.replica.bucket_arns) : "${arn}/*"]
      }, {
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [var.key_arn]
      }, {
      Effect   = "Allow"
      Action   = ["kms:Encrypt", "kms:GenerateDataKey"]
      Resource = [var.replica.key_arn]
    }]
  })
}

resource "aws_s3_bucket_replication_configuration" "archive" {
  for_each = local.replicas

  bucket = aws_s3_bucket.archive[each.key].id
  role   = aws_iam_role.replication[0].arn

  rule {
    id       = "remote-region"
    status   = "Enabled"
    priority = 1

    filter {}

    # A marker would hide an archived object in the copy.
    delete_marker_replication {
      status = "Disabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    destination {
      bucket = var.replica.bucket_arns[each.key]

      encryption_configuration {
        replica_kms_key_id = var.replica.key_arn
      }

      replication_time {
        status = "Enabled"

        time {
          minutes = 15
        }
      }

      metrics {
        status = "Enabled"

        event_threshold {
          minutes = 15
        }
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.archive]
}

# A private S3 bucket for a regrow store and its indexes, a CloudFront distribution in front of it, and, where asked for,
# signed URLs and a role for GitHub Actions that may publish. The same as ../cloudformation.yaml.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  is_private          = length(var.public_keys) > 0
  has_github          = var.github_repository != null
  makes_oidc_provider = local.has_github && var.github_oidc_provider_arn == null
  oidc_provider_arn   = local.makes_oidc_provider ? one(aws_iam_openid_connect_provider.github[*].arn) : var.github_oidc_provider_arn
  trusted_key_groups  = local.is_private ? aws_cloudfront_key_group.signing[*].id : null
  distribution_arn    = "arn:${data.aws_partition.current.partition}:cloudfront::${data.aws_caller_identity.current.account_id}:distribution/${aws_cloudfront_distribution.store.id}"
}

# --- The bucket -------------------------------------------------------------------------------------------------------

# No versioning. A pack's name is the hash of its bytes, so it never has a second version; what `regrow gc` deletes would
# stay and be paid for. hosting.md says what to add where versions or object lock are required. `terraform destroy` deletes the
# bucket only when it is empty.
resource "aws_s3_bucket" "store" {
  bucket = var.bucket_name
}

resource "aws_s3_bucket_ownership_controls" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    id     = "abort-incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "CloudFrontReads"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.store.arn}/*"]

    principals {
      type        = "Service"
      identifiers = ["cloudfront.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "AWS:SourceArn"
      values   = [local.distribution_arn]
    }
  }

  statement {
    sid       = "OnlyTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.store.arn, "${aws_s3_bucket.store.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "store" {
  bucket = aws_s3_bucket.store.id
  policy = data.aws_iam_policy_document.bucket.json

  depends_on = [aws_s3_bucket_public_access_block.store]
}

# --- Delivery ---------------------------------------------------------------------------------------------------------

resource "aws_cloudfront_origin_access_control" "store" {
  name                              = "${var.name}-bucket"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# Packs never change: a year, whatever the object's own headers say.
resource "aws_cloudfront_cache_policy" "packs" {
  name        = "${var.name}-packs"
  comment     = "regrow packs, immutable"
  min_ttl     = 31536000
  default_ttl = 31536000
  max_ttl     = 31536000

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = false
    enable_accept_encoding_gzip   = false

    cookies_config {
      cookie_behavior = "none"
    }

    headers_config {
      header_behavior = "none"
    }

    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

# Indexes are names that may move on: as long as the object's Cache-Control says (regrow: 60 s), 60 s if it says nothing.
resource "aws_cloudfront_cache_policy" "indexes" {
  name        = "${var.name}-indexes"
  comment     = "regrow indexes, short"
  min_ttl     = 0
  default_ttl = 60
  max_ttl     = 86400

  parameters_in_cache_key_and_forwarded_to_origin {
    enable_accept_encoding_brotli = false
    enable_accept_encoding_gzip   = false

    cookies_config {
      cookie_behavior = "none"
    }

    headers_config {
      header_behavior = "none"
    }

    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

resource "aws_cloudfront_public_key" "signing" {
  for_each = var.public_keys

  name        = "${var.name}-${each.key}"
  encoded_key = "${trimspace(each.value)}\n"

  # A key that goes leaves the group before it is deleted.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudfront_key_group" "signing" {
  count = local.is_private ? 1 : 0

  name  = "${var.name}-keys"
  items = [for key in aws_cloudfront_public_key.signing : key.id]

  lifecycle {
    create_before_destroy = true
  }
}

# `compress` is off everywhere: packs and indexes are compressed already, and a range of a pack has to be a range of its
# stored bytes.
resource "aws_cloudfront_distribution" "store" {
  enabled         = true
  comment         = "regrow store of ${var.name}"
  http_version    = "http2and3"
  is_ipv6_enabled = true
  price_class     = var.price_class

  origin {
    origin_id                = "bucket"
    domain_name              = aws_s3_bucket.store.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.store.id
  }

  default_cache_behavior {
    target_origin_id       = "bucket"
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    compress               = false
    cache_policy_id        = aws_cloudfront_cache_policy.indexes.id
    trusted_key_groups     = local.trusted_key_groups
  }

  ordered_cache_behavior {
    path_pattern           = "*.rgx"
    target_origin_id       = "bucket"
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    compress               = false
    cache_policy_id        = aws_cloudfront_cache_policy.indexes.id
    trusted_key_groups     = local.trusted_key_groups
  }

  ordered_cache_behavior {
    path_pattern           = "*/packs/*"
    target_origin_id       = "bucket"
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    compress               = false
    cache_policy_id        = aws_cloudfront_cache_policy.packs.id
    trusted_key_groups     = local.trusted_key_groups
  }

  ordered_cache_behavior {
    path_pattern           = "*/patches/*"
    target_origin_id       = "bucket"
    viewer_protocol_policy = "https-only"
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    compress               = false
    cache_policy_id        = aws_cloudfront_cache_policy.packs.id
    trusted_key_groups     = local.trusted_key_groups
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}

# --- Who may publish --------------------------------------------------------------------------------------------------

# What `regrow make` and `regrow push` need; ../iam.md explains each action.
data "aws_iam_policy_document" "publisher" {
  statement {
    sid     = "StoreAndIndexes"
    actions = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [
      "${aws_s3_bucket.store.arn}/${var.store_prefix}/*",
      "${aws_s3_bucket.store.arn}/*.rgx",
    ]
  }

  statement {
    sid       = "AbsentOrDenied"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
  }
}

resource "aws_iam_policy" "publisher" {
  name        = "${var.name}-publisher"
  description = "Publish images with regrow"
  policy      = data.aws_iam_policy_document.publisher.json
}

# What `regrow gc` needs on top of it: whoever runs it has both policies.
data "aws_iam_policy_document" "collector" {
  statement {
    sid       = "DeleteFromStore"
    actions   = ["s3:DeleteObject"]
    resources = ["${aws_s3_bucket.store.arn}/${var.store_prefix}/*"]
  }
}

resource "aws_iam_policy" "collector" {
  name        = "${var.name}-collector"
  description = "Delete unused packs with regrow gc, on top of the publisher's policy"
  policy      = data.aws_iam_policy_document.collector.json
}

resource "aws_iam_openid_connect_provider" "github" {
  count = local.makes_oidc_provider ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "github" {
  count = local.has_github ? 1 : 0

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringLike"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:${var.github_subject}"]
    }
  }
}

resource "aws_iam_role" "publisher" {
  count = local.has_github ? 1 : 0

  name                 = "${var.name}-publisher"
  description          = "Publishes images with regrow from GitHub Actions of ${var.github_repository}"
  max_session_duration = 3600
  assume_role_policy   = one(data.aws_iam_policy_document.github[*].json)
}

resource "aws_iam_role_policy_attachment" "publisher" {
  count = local.has_github ? 1 : 0

  role       = one(aws_iam_role.publisher[*].name)
  policy_arn = aws_iam_policy.publisher.arn
}

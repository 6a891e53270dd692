output "bucket" {
  description = "Where to publish: regrow make s3://BUCKET/app.rgx app.tar"
  value       = aws_s3_bucket.store.id
}

output "store" {
  description = "The store, for --store."
  value       = "s3://${aws_s3_bucket.store.id}/${var.store_prefix}"
}

output "url" {
  description = "What devices fetch from: regrow extract URL/app.rgx app.tar"
  value       = "https://${aws_cloudfront_distribution.store.domain_name}"
}

output "distribution_id" {
  description = "The CloudFront distribution."
  value       = aws_cloudfront_distribution.store.id
}

output "publisher_policy_arn" {
  description = "Attach it to whoever publishes."
  value       = aws_iam_policy.publisher.arn
}

output "collector_policy_arn" {
  description = "Attach it too to whoever runs regrow gc."
  value       = aws_iam_policy.collector.arn
}

output "publisher_role_arn" {
  description = "The role for GitHub Actions; null without one."
  value       = one(aws_iam_role.publisher[*].arn)
}

output "key_pair_ids" {
  description = "Ids of the public keys by name, for aws cloudfront sign --key-pair-id."
  value       = { for name, key in aws_cloudfront_public_key.signing : name => key.id }
}

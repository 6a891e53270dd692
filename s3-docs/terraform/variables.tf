variable "name" {
  description = "Begins the names of what is made besides the bucket; unique within the account."
  type        = string
  default     = "regrow"
}

variable "bucket_name" {
  description = "Name of the bucket, unique in the world. Null: Terraform makes one up."
  type        = string
  default     = null
}

variable "store_prefix" {
  description = "The store's folder in the bucket. Policies allow writing packs only there."
  type        = string
  default     = "store"

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", var.store_prefix))
    error_message = "A folder such as store or team/store, without a slash at either end."
  }
}

variable "price_class" {
  description = "Where CloudFront serves from. 100: North America and Europe, the cheapest; All: everywhere."
  type        = string
  default     = "PriceClass_100"

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "public_keys" {
  description = "RSA public keys (PEM) by a name of your choice. If there are any, CloudFront serves only requests signed with one of their private keys. To change keys without a gap, have both for a while."
  type        = map(string)
  default     = {}
}

variable "github_repository" {
  description = "OWNER/NAME of the GitHub repository whose workflows may publish. Null: no role is made."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.github_repository))
    error_message = "OWNER/NAME."
  }
}

variable "github_subject" {
  description = "Which of its workflow runs, such as ref:refs/heads/main, ref:refs/tags/v* or environment:production."
  type        = string
  default     = "ref:refs/heads/main"
}

variable "github_oidc_provider_arn" {
  description = "GitHub's identity provider, if the account has it already (there can be only one). Null: it is made."
  type        = string
  default     = null
}

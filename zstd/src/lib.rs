//! Zstd streams (RFC 8878): taken apart into plain bytes, and made again bit for bit as known encoders make them.

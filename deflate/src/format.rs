//! The deflate format (RFC 1951): symbols, codes, bits, headers of blocks, and streams as their parts.

pub(crate) mod bit_reader;
pub(crate) mod bit_writer;
pub(crate) mod decode_table;
pub(crate) mod dynamic_header;
pub(crate) mod header_reader;
pub(crate) mod parser;
pub(crate) mod prefix_code;
pub(crate) mod structure;
pub(crate) mod symbols;
pub(crate) mod tables;
pub(crate) mod writer;

//! A second reader of the format, written from `docs/FORMAT.md` alone, against the store: the golden store, files made
//! by hand, and the worked example in the document.
//!
//! `bytes`, `header`, `frame`, `segment`, `directory`, `record`, `chain` and `messagepack` are the reader; they use no
//! crate of this workspace. `encode` makes files the same way.
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "the names of a store's files have one spelling")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::little_endian_bytes,
    clippy::big_endian_bytes,
    reason = "this is a test, and a reader of its own"
)]

mod bytes;
mod chain;
mod directory;
mod encode;
mod frame;
mod header;
mod messagepack;
mod record;
mod segment;

mod compacted;
mod deterministic;
mod differential;
mod example;
mod facade;
mod golden;
mod handmade;
mod kinds;
mod payloads;
mod tail;

//! What is done with the bytes of a fuzzer: each target takes any bytes, and panics if a promise does not hold.
//!
//! `cargo test` and `cargo fuzz` run the same functions.

mod asked;
mod directory;
mod edits;
mod facts;
mod frames;
mod index;
mod json;
mod names;
mod program;
mod record;
mod region;
mod segment;
mod watermark;
mod world;

/// One thing to fuzz.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&[u8]),
}

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "record", run: record::run },
    Target { name: "segment", run: segment::run },
    Target { name: "index", run: index::run },
    Target { name: "watermark", run: watermark::run },
    Target { name: "json", run: json::run },
    Target { name: "names", run: names::run },
    Target { name: "region", run: region::run },
    Target { name: "directory", run: directory::run },
    Target { name: "program", run: program::run },
];

/// An input that a derive of `arbitrary` makes of bytes; `None` if there are too few.
fn input<'a, T: arbitrary::Arbitrary<'a>>(data: &'a [u8]) -> Option<T> {
    T::arbitrary_take_rest(arbitrary::Unstructured::new(data)).ok()
}

//! What the programs of `cargo fuzz` run: the functions that `cargo test` replays its inputs with.
#![expect(clippy::expect_used, clippy::panic, reason = "a broken promise is a panic")]

#[path = "../../tests/fuzz/targets/mod.rs"]
mod targets;

/// Gives the bytes of the fuzzer to the target of this name.
///
/// # Panics
/// If a promise of the library does not hold for them.
pub fn run(name: &str, data: &[u8]) {
    let target = targets::TARGETS.iter().find(|target| target.name == name).expect("a target");
    (target.run)(data);
}

//! What the steps of an append and a read cost.

fn main() {
    divan::main();
}

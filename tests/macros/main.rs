//! What the derive refuses: each error stands at its place and names the remedy.

#[test]
fn every_error_names_its_place_and_the_remedy() {
    trybuild::TestCases::new().compile_fail("../../tests/macros/fail/*.rs");
}

const MANIFEST: &str = include_str!("../../crates/batpak-guard/Cargo.toml");

#[test]
fn the_crate_depends_on_nothing() {
    let tables: Vec<_> = MANIFEST.lines().filter(|line| line.contains("dependencies")).collect();
    assert_eq!(tables, ["[dev-dependencies]"]);
}

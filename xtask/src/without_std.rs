//! Shows that the `no_std` crates need no `std`, with no other target installed.
//!
//! A crate that says `no_std` still builds on a host when a dependency of it links `std`. So it is built against a
//! sysroot that holds `core`, `alloc` and the compiler's own routines, and no `std` to link.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{capture, cargo, run as run_command, rustc};
use crate::error::Error;
use crate::workspace::target_directory;

const BUILDS: &[&[&str]] =
    &[&["-p", "batpak-core"], &["-p", "batpak-core", "--features", "serde"], &["-p", "batpak-guard"]];

const LIBRARIES: &[&str] = &["libcore-", "liballoc-", "libcompiler_builtins-"];

pub(crate) fn run() -> Result<(), Error> {
    let place = target_directory()?.join("without-std");
    let host = host()?;
    let sysroot = make_sysroot(&place.join("sysroot"), &host)?;
    BUILDS.iter().try_for_each(|packages| build(packages, &host, &sysroot, &place))
}

/// Builds with `--target`, so that build scripts and procedural macros keep their `std`.
fn build(packages: &[&str], host: &str, sysroot: &Path, place: &Path) -> Result<(), Error> {
    let mut build = cargo(&["build", "--no-default-features", "--target", host]);
    build.args(packages).arg("--target-dir").arg(place);
    build.env("CARGO_ENCODED_RUSTFLAGS", format!("--sysroot\u{1f}{}", sysroot.display()));
    run_command(&mut build)
}

fn host() -> Result<String, Error> {
    printed_by_rustc("host-tuple")
}

fn printed_by_rustc(what: &str) -> Result<String, Error> {
    let output = capture(&mut rustc(&["--print", what]))?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

/// Makes the sysroot anew, since the libraries of another compiler may lie there.
fn make_sysroot(sysroot: &Path, host: &str) -> Result<PathBuf, Error> {
    let libraries = Path::new("lib/rustlib").join(host).join("lib");
    let from = Path::new(&printed_by_rustc("sysroot")?).join(&libraries);
    let to = sysroot.join(&libraries);
    if sysroot.exists() {
        fs::remove_dir_all(sysroot).map_err(at(sysroot))?;
    }
    fs::create_dir_all(&to).map_err(at(&to))?;
    for entry in fs::read_dir(&from).map_err(at(&from))? {
        let name = entry.map_err(at(&from))?.file_name();
        if LIBRARIES.iter().any(|library| name.to_string_lossy().starts_with(library)) {
            fs::copy(from.join(&name), to.join(&name)).map_err(at(&to))?;
        }
    }
    Ok(sysroot.to_owned())
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.display().to_string();
    |source| Error::File { path, source }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{host, make_sysroot};
    use crate::command::{rustc, works};

    fn builds(dir: &Path, sysroot: &Path, text: &str) -> bool {
        let file = dir.join("sample.rs");
        std::fs::write(&file, text).expect("writable");
        let mut rustc = rustc(&["--crate-type", "lib", "--emit", "metadata", "--sysroot"]);
        works(rustc.arg(sysroot).arg("--out-dir").arg(dir).arg(file))
    }

    #[test]
    fn alloc_can_be_used_and_std_cannot() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let sysroot = make_sysroot(&dir.path().join("sysroot"), &host().expect("rustc runs")).expect("a sysroot");
        let builds = |text| builds(dir.path(), &sysroot, text);
        assert!(builds("#![no_std] extern crate alloc; pub type T = alloc::vec::Vec<u8>;"));
        assert!(!builds("#![no_std] extern crate std; pub type T = std::vec::Vec<u8>;"));
        assert!(!builds("pub type T = u8;"));
    }
}

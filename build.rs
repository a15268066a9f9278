//! Links a release with packed relative relocations, where linker and C library know them: the table that the loader reads
//! through at each start is then 0.1 MB instead of 1.8, all of which counts as memory of the process. The binary needs
//! glibc 2.36 (2022) or newer then, which is what it was built with.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "this is how Cargo and a build script talk"
)]

use std::process::Command;

/// The first glibc whose loader reads the packed table.
const FIRST_GLIBC: (u32, u32) = (2, 36);
const FLAG: &str = "-Wl,-z,pack-relative-relocs";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    let is_for_here = std::env::var("HOST") == std::env::var("TARGET");
    let is_wanted = is("PROFILE", "release") && is("CARGO_CFG_TARGET_ENV", "gnu") && is_for_here;
    if is_wanted && glibc().is_some_and(|version| version >= FIRST_GLIBC) && linker_packs() {
        println!("cargo::rustc-link-arg-bins={FLAG}");
    }
}

/// The version of the C library here, as `getconf` tells it: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let told = output("getconf", &["GNU_LIBC_VERSION"])?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Whether the linker behind the C compiler, which Rust calls, has the option.
fn linker_packs() -> bool {
    output("cc", &["-Wl,--help"]).is_some_and(|help| help.contains("pack-relative-relocs"))
}

/// What a program prints; `None` where it is not there or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).output().ok()?;
    let printed = done.status.success().then_some(done.stdout)?;
    String::from_utf8(printed).ok()
}

//! Everything that reads bytes from outside, over a corpus of good and hostile input and over bounded mutations of it. The
//! fuzz targets in `tests/fuzz` call the same functions for as long as one likes: `tests/fuzz/run`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

#[path = "fuzz/src/lib.rs"]
mod bodies;

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// What parsers stumble over.
const TOKENS: [&[u8]; 16] = [
    b"\0",
    b"\xff",
    "\u{202e}".as_bytes(),
    b"\"",
    b"\\u0000",
    b"[[[[[[[[",
    b"{\"a\":",
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b"null",
    b"*",
    b"\r\n",
    b"%00",
    b"<a>",
    b"9999-12-31T23:59:59Z",
];

/// The longest input that is made; longer ones are cut.
const LONGEST: usize = 64 * 1024;

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|file| (file.clone(), std::fs::read(file).unwrap()))
        .collect()
}

fn mutated(rng: &mut StdRng, corpus: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let pick = |rng: &mut StdRng| corpus.choose(rng).unwrap().1.clone();
    let mut bytes = pick(rng);
    for _ in 0..rng.random_range(1..=4) {
        let at = rng.random_range(0..=bytes.len());
        let until = (at + rng.random_range(0..=32)).min(bytes.len());
        match rng.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => drop(bytes.drain(at..until)),
            2 => drop(bytes.splice(at..until, TOKENS.choose(rng).unwrap().iter().copied())),
            3 => {
                let again = bytes[at..until].repeat(rng.random_range(1..=64));
                bytes.splice(at..at, again);
            }
            4 => bytes.truncate(at),
            5 => {
                let other = pick(rng);
                let from = rng.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => bytes.insert(at, rng.random()),
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// Feeds the corpus and mutations of it. What is fed is on disk before, for a stack that overflows takes the test with it.
fn feed(name: &str, body: bodies::Body, mutations: usize) {
    let last = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("last-{name}"));
    let corpus = corpus(name);
    let feed = |input: &[u8], which: &str| {
        std::fs::write(&last, input).unwrap();
        let fed = std::panic::catch_unwind(|| body(input));
        assert!(
            fed.is_ok(),
            "{name}: {which} broke a promise; it is in {}",
            last.display()
        );
    };
    for (file, bytes) in &corpus {
        feed(bytes, &file.display().to_string());
    }
    let mut rng = StdRng::seed_from_u64(20_261_125);
    for number in 0..mutations {
        feed(&mutated(&mut rng, &corpus), &format!("mutation {number}"));
    }
}

#[test]
fn whatever_is_read_no_promise_is_broken() {
    std::thread::scope(|scope| {
        for (name, body, mutations) in bodies::TARGETS {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn_scoped(scope, move || feed(name, body, mutations))
                .unwrap();
        }
    });
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer_and_no_more() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let names = |folder: &str| {
        let entries = std::fs::read_dir(fuzz.join(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        names.sort();
        names
    };
    let mut expected = bodies::TARGETS.map(|(name, ..)| name.to_owned()).to_vec();
    expected.sort();
    assert_eq!(names("corpus"), expected);
    assert_eq!(names("fuzz_targets"), expected);
    for name in expected {
        bodies::body(&name)(b"");
    }
}

//! What is done with bytes from outside, as functions of bytes that panic where a promise is broken: fuzz targets call them,
//! and so does `tests/parsers.rs`, over the corpus and bounded mutations of it.
//!
//! What they hold: nothing panics, overflows the stack or takes for ever; what was read reads the same once it is written
//! and read again; what is refused says where, and repeats no secret.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a broken promise is told by a panic"
)]

mod answers;
mod documents;
mod requests;
mod words;

/// A function of bytes.
pub type Body = fn(&[u8]);

/// Everything that reads bytes from outside: a name, its body, and how many mutations of its corpus a bounded run tries.
pub const TARGETS: [(&str, Body, usize); 15] = [
    ("configuration", words::configuration, 400),
    ("variables", words::variables, 300),
    ("times", words::times, 3_000),
    ("names", words::names, 3_000),
    ("secret_reference", words::secret_reference, 3_000),
    ("signing_secret", words::signing_secret, 3_000),
    ("credential_report", documents::credential_report, 2_000),
    ("policy_document", documents::policy_document, 3_000),
    ("trust_policy", documents::trust_policy, 400),
    ("filter_pattern", documents::filter_pattern, 400),
    ("snapshot", documents::snapshot, 300),
    ("plan_file", documents::plan_file, 300),
    ("click", requests::click, 3_000),
    ("web_request", requests::web_request, 300),
    ("aws_answer", answers::aws_answer, 300),
];

/// The body of that name.
///
/// # Panics
/// Where there is none.
pub fn body(name: &str) -> Body {
    let found = TARGETS.iter().find(|(known, ..)| *known == name);
    found.unwrap_or_else(|| panic!("there is no target `{name}`")).1
}

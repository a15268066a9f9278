//! The built binary with its state in PostgreSQL: several processes on several machines, as far as one machine can play that.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and goes by the wall clock as the binary does"
)]

mod moving;
#[path = "../support/mod.rs"]
mod support;

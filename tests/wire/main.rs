//! Reader, Writer, sessions and collection over the real wire protocol, against the simulator.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod analyzer;
mod collect;
mod idle;
mod instances;
mod reader;
mod sessions;
mod sign_in;
mod world;
mod writer;

//! state

mod lease;

pub use lease::Lease;

//! The protocols: what comes in, what goes out, and how errors look.

pub(crate) mod error;
pub(crate) mod page;
pub(crate) mod query;
pub(crate) mod request;
pub(crate) mod xml;

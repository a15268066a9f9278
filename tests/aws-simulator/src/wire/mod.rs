//! The protocols: what comes in, what goes out, and how errors look.

mod cbor;
pub(crate) mod error;
pub(crate) mod input;
mod nested;
pub(crate) mod page;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod request;
mod routes;
pub(crate) mod service;
pub(crate) mod xml;

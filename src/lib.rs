//! iamwarden.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod aws;
pub mod config;
pub mod inventory;
pub mod model;
pub mod plan;
pub mod rules;
pub mod state;

//! iamwarden.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod aws;
pub mod cli;
pub mod config;
pub mod daemon;
#[cfg(feature = "demo")]
pub mod demo;
pub mod execute;
pub mod inventory;
pub mod model;
pub mod notify;
pub mod plan;
pub mod rules;
pub mod state;
pub mod telemetry;
pub mod web;

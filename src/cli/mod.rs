//! One file per command.

pub mod health;

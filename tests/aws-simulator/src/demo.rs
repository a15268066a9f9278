//! The demonstration account.

use crate::seed::{Seed, SeedError};

/// The demonstration seed as TOML, for reading.
pub const DEMO_SEED: &str = include_str!("../seeds/demo.toml");

/// A lively account of about three dozen people, with everything that is worth tidying up. Its ages are seen from the
/// wall clock at the start.
pub fn demo_seed() -> Result<Seed, SeedError> {
    Seed::parse(DEMO_SEED)
}

//! What a seed holds in one region.

mod analyzers;

use serde::{Deserialize, Serialize};

pub use analyzers::{
    AnalyzerSeed, ExternalAccessSeed, FindingSeed, RecommendationSeed, StepSeed, UnusedKeySeed,
    UnusedServiceSeed,
};

/// One region of an account.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegionSeed {
    /// Analyzers of Access Analyzer.
    pub analyzers: Vec<AnalyzerSeed>,
}

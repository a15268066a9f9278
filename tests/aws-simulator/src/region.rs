//! What an account holds in one region.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::access_analyzer::Analyzer;

/// One region's part of an account.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Region {
    /// Analyzers of Access Analyzer by name.
    pub(crate) analyzers: BTreeMap<String, Analyzer>,
}

impl Region {
    pub(crate) const fn empty() -> Self {
        Self {
            analyzers: BTreeMap::new(),
        }
    }
}

//! The house as it is in force: a reload puts another configuration in its place.

use std::sync::{Arc, Mutex, PoisonError};

use super::House;
use crate::config::Config;

/// The house as it is in force. All clones are the same one.
#[derive(Debug, Clone)]
pub struct InForce(Arc<Mutex<House>>);

impl InForce {
    /// This house, until its configuration is replaced.
    pub fn new(house: House) -> Self {
        Self(Arc::new(Mutex::new(house)))
    }

    /// The house with the configuration that holds now.
    pub fn get(&self) -> House {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another configuration in force.
    pub fn replace(&self, config: Config) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).config = Arc::new(config);
    }
}

//! The house as it is in force: a reload puts another configuration in its place.

use std::sync::atomic::{AtomicBool, Ordering};
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

    /// Puts another configuration in force. Runs go on under the one that they began with, but where this one forbids
    /// changes, none of them makes another.
    pub fn replace(&self, config: Config) {
        let mut house = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        house
            .standstill
            .0
            .store(config.freeze || config.dry_run, Ordering::SeqCst);
        house.config = Arc::new(config);
    }
}

/// Whether the configuration that was put in force last forbids changes, for runs that began under another. All clones are
/// the same one.
#[derive(Debug, Clone, Default)]
pub struct Standstill(Arc<AtomicBool>);

impl Standstill {
    /// Whether it does.
    pub fn is_declared(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
